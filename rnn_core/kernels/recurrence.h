// One recurrent layer on a CPU, forward and backward: simple_rnn, lstm and gru (reset after).
//
// Results do not depend on the number of threads: shards and tasks follow from the shapes alone,
// they write to separate memory, and each sum has one order. Nothing in here knows TensorFlow.

#ifndef RNN_CORE_KERNELS_RECURRENCE_H_
#define RNN_CORE_KERNELS_RECURRENCE_H_

#include <functional>

#include "layout.h"
#include "products.h"

namespace rnn_core {

// ---- Forward --------------------------------------------------------------------------------------

constexpr int64_t kChunk = 64;  // Packed rows whose inputs are projected at once.

struct Forward {
  const Shape& shape;
  const Plan& plan;
  const float* inputs;           // [B, T, F]
  const float* kernel;           // [F, G], packed: by blocks of the input.
  const float* recurrent;        // [H, G], packed.
  const float* bias;             // [blocks, P]: of the input and the product together, if they add.
  float* output;                 // [B, output_width()]
  Saved saved;
  float* scratch;  // [shards, scratch_size()]

  static int64_t scratch_size(const Shape& s) {
    return s.padded_units() * (kShardRows * (s.gates() + 2 * s.is_pooled()) + 2);
  }
};

// One row's pointers in one step.
struct Row {
  float* gates;
  const float* product;
  const float* hidden_before;
  const float* memory_before;
  float* memory;
  float* hidden;
};

// One activation a loop: short chains of operations, many of which overlap.
template <int W, Float<W> (*Activation)(Float<W>)>
RNN_CORE_INLINE void activate(float* gates, const float* product, const float* bias,
                              int64_t count) {
  for (int64_t i = 0; i < count; i += W)
    store<W>(gates + i,
             Activation(load<W>(gates + i) + load<W>(product + i) + load<W>(bias + i)));
}

template <int W>
RNN_CORE_INLINE void simple_step(const Forward& f, const Row& row) {
  const int64_t units = f.shape.padded_units();
  activate<W, tanh<W>>(row.gates, row.product, f.bias, units);
  std::memcpy(row.hidden, row.gates, units * sizeof(float));
}

template <int W>
RNN_CORE_INLINE void lstm_step(const Forward& f, const Row& row) {
  const int64_t units = f.shape.padded_units();
  float *i = row.gates, *forget = i + units, *candidate = forget + units, *o = candidate + units;
  activate<W, sigmoid<W>>(i, row.product, f.bias, 2 * units);
  activate<W, tanh<W>>(candidate, row.product + 2 * units, f.bias + 2 * units, units);
  activate<W, sigmoid<W>>(o, row.product + 3 * units, f.bias + 3 * units, units);
  for (int64_t u = 0; u < units; u += W) {
    const Float<W> memory = load<W>(forget + u) * load<W>(row.memory_before + u) +
                            load<W>(i + u) * load<W>(candidate + u);
    store<W>(row.memory + u, memory);
    store<W>(row.hidden + u, load<W>(o + u) * tanh<W>(memory));
  }
}

template <int W>
RNN_CORE_INLINE void gru_step(const Forward& f, const Row& row) {
  const int64_t units = f.shape.padded_units();
  float *candidate = row.gates, *z = candidate + units, *r = z + units, *inner = r + units;
  activate<W, sigmoid<W>>(z, row.product, f.bias + units, 2 * units);
  for (int64_t u = 0; u < units; u += W) {
    const Float<W> product = load<W>(row.product + 2 * units + u) + load<W>(f.bias + 3 * units + u);
    const Float<W> x = load<W>(candidate + u) + load<W>(f.bias + u);
    const Float<W> made = tanh<W>(x + load<W>(r + u) * product);
    store<W>(candidate + u, made);
    store<W>(inner + u, product);
    store<W>(row.hidden + u, made + load<W>(z + u) * (load<W>(row.hidden_before + u) - made));
  }
}

// The projected inputs of the packed rows [first, last).
template <void (*Multiply)(const Product&)>
RNN_CORE_INLINE void project(const Forward& f, int64_t first, int64_t last) {
  const Shape& s = f.shape;
  const int64_t units = s.padded_units(), width = s.blocks() * units;
  for (int64_t gate = 0; gate < s.gates(); ++gate)
    Multiply({f.saved.inputs + first * s.features, s.features, 1, last - first, s.features,
              f.kernel + gate * s.features * units, units,
              f.saved.gates + first * width + gate * units, width, false});
}

// The inputs of a shard, packed; and zeros as the output of what comes before a row's first step.
static void gather(const Forward& f, const Shard& shard) {
  const Shape& s = f.shape;
  for (size_t i = 0; i < shard.rows.size(); ++i) {
    const int64_t row = shard.rows[i];
    int64_t step = 0;
    for (; static_cast<int64_t>(i) < shard.running(step); ++step) {
      const int64_t packed = shard.offsets[step] + i;
      std::copy_n(f.inputs + (row * s.time + f.plan.time[packed]) * s.features, s.features,
                  f.saved.inputs + packed * s.features);
    }
    const int64_t before = step > 0 ? f.plan.time[shard.offsets[0] + i] : s.time;
    if (s.sequences())
      std::fill_n(f.output + row * s.output_width(), before * s.units, 0.0f);
    else if (step == 0)
      std::fill_n(f.output + row * s.output_width(), s.output_width(), 0.0f);
  }
}

// The hidden state after a packed row, to where the output has it.
static void put_output(const Forward& f, int64_t row, int64_t packed, bool last,
                       const float* hidden) {
  const Shape& s = f.shape;
  if (!s.sequences()) {
    if (last) std::copy_n(hidden, s.units, f.output + row * s.units);
    return;
  }
  for (int64_t t = f.plan.time[packed]; t < f.plan.until[packed]; ++t)
    std::copy_n(hidden, s.units, f.output + (row * s.time + t) * s.units);
}

// Takes the hidden state after a row's real step `step` into its sum and its maximum, [P] each, while
// it is in the cache; behind the `last` step both go to the output. Of steps that are equally large
// the first one is the maximum's.
template <int W>
RNN_CORE_INLINE void pool(const Forward& f, int64_t row, int64_t step, bool last,
                          const float* hidden, float* sum, float* largest) {
  const Shape& s = f.shape;
  const int64_t units = s.padded_units();
  float* output = f.output + row * s.output_width();
  if (s.has_mean()) {
    for (int64_t u = 0; u < units; u += W) {
      const Float<W> before = step == 0 ? Float<W>{} : load<W>(sum + u);
      store<W>(sum + u, before + load<W>(hidden + u));
    }
    const float share = 1.0f / (step + 1);
    if (last)
      for (int64_t u = 0; u < s.units; ++u) output[u] = sum[u] * share;
  }
  if (!s.has_max()) return;
  float* places = f.saved.places + row * units;
  const Int<W> now = static_cast<int32_t>(step) - Int<W>{};
  for (int64_t u = 0; u < units; u += W) {
    const Float<W> value = load<W>(hidden + u), before = load<W>(largest + u);
    // What is not a number is not below the one before it, and stays to be seen.
    const Int<W> stays = step == 0 ? Int<W>{} : value <= before;
    store<W>(largest + u, stays ? before : value);
    store<W>(places + u, (Float<W>)(stays ? (Int<W>)load<W>(places + u) : now));
  }
  if (last) std::copy_n(largest, s.units, output + s.has_mean() * s.units);
}

template <int W, void (*Multiply)(const Product&)>
RNN_CORE_INLINE void forward(const Forward& f, int64_t index) {
  const Shape& s = f.shape;
  const Shard& shard = f.plan.shards[index];
  const int64_t units = s.padded_units(), width = s.blocks() * units;
  float* product = f.scratch + index * Forward::scratch_size(s);
  float* zeros = product + kShardRows * s.gates() * units;
  float* last_hidden = zeros + units;
  float* pooled = last_hidden + units;
  std::fill_n(zeros, units, 0.0f);
  gather(f, shard);
  std::fill_n(f.saved.hidden + shard.offsets[0] * units, shard.running(0) * units, 0.0f);
  int64_t projected = 0;
  for (int64_t step = 0; step < shard.steps(); ++step) {
    const int64_t first = shard.offsets[step], rows = shard.running(step);
    const int64_t next_rows = shard.running(step + 1);
    if (step == projected) {
      while (projected < shard.steps() && shard.offsets[projected] < first + kChunk) ++projected;
      project<Multiply>(f, first, shard.offsets[projected]);
    }
    if (step == 0) {
      std::fill_n(product, rows * s.gates() * units, 0.0f);
    } else {
      for (int64_t gate = 0; gate < s.gates(); ++gate)
        Multiply({f.saved.hidden + first * units, units, 1, rows, s.units,
                  f.recurrent + gate * s.units * units, units, product + gate * units,
                  s.gates() * units, false});
    }
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t packed = first + i;
      const bool last = i >= next_rows;
      const Row row = {
          f.saved.gates + packed * width,
          product + i * s.gates() * units,
          f.saved.hidden + packed * units,
          step == 0 ? zeros : f.saved.memory + (shard.offsets[step - 1] + i) * units,
          f.saved.memory + packed * units,
          last ? last_hidden : f.saved.hidden + (shard.offsets[step + 1] + i) * units,
      };
      if (s.kind == Kind::kSimple) simple_step<W>(f, row);
      if (s.kind == Kind::kLstm) lstm_step<W>(f, row);
      if (s.kind == Kind::kGru) gru_step<W>(f, row);
      if (s.is_pooled())
        pool<W>(f, shard.rows[i], step, last, row.hidden, pooled + 2 * i * units,
                pooled + (2 * i + 1) * units);
      else
        put_output(f, shard.rows[i], packed, last, row.hidden);
    }
  }
}

// ---- Backward -------------------------------------------------------------------------------------

struct Backward {
  const Shape& shape;
  const Plan& plan;
  Saved saved;
  const float* upstream;   // [B, output_width()]
  const float* kernel;     // The transposed kernel [G, F], packed; null: no gradient of the inputs.
  const float* recurrent;  // The transposed recurrent kernel [G, H], packed.
  float* d_inputs;         // [B, T, F]
  float* scratch;          // [shards, scratch_size()]

  static int64_t scratch_size(const Shape& s) {
    return s.padded_units() * (kShardRows * (2 + 2 * s.is_pooled()) + 1) +
           kChunk * s.padded(s.features);
  }
};

// One row's pointers in one step.
struct BackRow {
  float* gates;  // And then their gradients.
  const float* hidden_before;
  const float* memory_before;
  const float* memory;
  float* d_hidden;  // Of the state after the step; then the part that goes past the gates.
  float* d_memory;
};

template <int W>
RNN_CORE_INLINE void simple_back(int64_t units, const BackRow& row) {
  for (int64_t u = 0; u < units; u += W) {
    const Float<W> hidden = load<W>(row.gates + u);
    store<W>(row.gates + u, load<W>(row.d_hidden + u) * (1.0f - hidden * hidden));
    store<W>(row.d_hidden + u, Float<W>{});
  }
}

template <int W>
RNN_CORE_INLINE void lstm_back(int64_t units, const BackRow& row) {
  for (int64_t u = 0; u < units; u += W) {
    const Float<W> i = load<W>(row.gates + u), forget = load<W>(row.gates + units + u);
    const Float<W> candidate = load<W>(row.gates + 2 * units + u);
    const Float<W> o = load<W>(row.gates + 3 * units + u);
    const Float<W> squashed = tanh<W>(load<W>(row.memory + u));
    const Float<W> d_hidden = load<W>(row.d_hidden + u);
    const Float<W> d_memory =
        load<W>(row.d_memory + u) + d_hidden * o * (1.0f - squashed * squashed);
    store<W>(row.gates + u, d_memory * candidate * i * (1.0f - i));
    store<W>(row.gates + units + u,
             d_memory * load<W>(row.memory_before + u) * forget * (1.0f - forget));
    store<W>(row.gates + 2 * units + u, d_memory * i * (1.0f - candidate * candidate));
    store<W>(row.gates + 3 * units + u, d_hidden * squashed * o * (1.0f - o));
    store<W>(row.d_memory + u, d_memory * forget);
    store<W>(row.d_hidden + u, Float<W>{});
  }
}

template <int W>
RNN_CORE_INLINE void gru_back(int64_t units, const BackRow& row) {
  for (int64_t u = 0; u < units; u += W) {
    const Float<W> candidate = load<W>(row.gates + u), z = load<W>(row.gates + units + u);
    const Float<W> r = load<W>(row.gates + 2 * units + u);
    const Float<W> inner = load<W>(row.gates + 3 * units + u);
    const Float<W> d_hidden = load<W>(row.d_hidden + u);
    const Float<W> d_candidate = d_hidden * (1.0f - z) * (1.0f - candidate * candidate);
    const Float<W> past = load<W>(row.hidden_before + u);
    store<W>(row.gates + u, d_candidate);
    store<W>(row.gates + units + u, d_hidden * (past - candidate) * z * (1.0f - z));
    store<W>(row.gates + 2 * units + u, d_candidate * inner * r * (1.0f - r));
    store<W>(row.gates + 3 * units + u, d_candidate * r);
    store<W>(row.d_hidden + u, d_hidden * z);
  }
}

// Adds what the output of a packed row and of the padding behind it got.
static void add_upstream(const Backward& b, int64_t row, int64_t packed, bool last,
                         float* d_hidden) {
  const Shape& s = b.shape;
  const int64_t from = s.sequences() ? row * s.time + b.plan.time[packed] : row;
  const int64_t count = s.sequences() ? b.plan.until[packed] - b.plan.time[packed] : last;
  for (int64_t t = from; t < from + count; ++t)
    for (int64_t u = 0; u < s.units; ++u) d_hidden[u] += b.upstream[t * s.units + u];
}

// Adds what a row's mean and maximum, [P] each, got of a real step; the `last` one, which is the first
// to come, fetches them.
template <int W>
RNN_CORE_INLINE void add_pooled(const Backward& b, int64_t row, int64_t step, bool last,
                                float* d_mean, float* d_largest, float* d_hidden) {
  const Shape& s = b.shape;
  const int64_t units = s.padded_units();
  if (last) {
    const float* from = b.upstream + row * s.output_width();
    std::fill_n(d_mean, units, 0.0f);
    std::fill_n(d_largest, units, 0.0f);
    const float share = 1.0f / (step + 1);
    if (s.has_mean())
      for (int64_t u = 0; u < s.units; ++u) d_mean[u] = from[u] * share;
    if (s.has_max()) std::copy_n(from + s.has_mean() * s.units, s.units, d_largest);
  }
  if (s.has_mean())
    for (int64_t u = 0; u < units; u += W)
      store<W>(d_hidden + u, load<W>(d_hidden + u) + load<W>(d_mean + u));
  if (!s.has_max()) return;
  const float* places = b.saved.places + row * units;
  const Int<W> now = static_cast<int32_t>(step) - Int<W>{};
  for (int64_t u = 0; u < units; u += W) {
    const Int<W> here = (Int<W>)load<W>(places + u) == now;
    store<W>(d_hidden + u, load<W>(d_hidden + u) + (here ? load<W>(d_largest + u) : Float<W>{}));
  }
}

// The gradient of the inputs of a shard; zero at what is padding.
template <void (*Multiply)(const Product&)>
RNN_CORE_INLINE void input_gradient(const Backward& b, const Shard& shard, float* scratch) {
  const Shape& s = b.shape;
  const int64_t units = s.padded_units(), width = s.blocks() * units;
  const int64_t columns = s.padded(s.features);
  for (int64_t row : shard.rows)
    std::fill_n(b.d_inputs + row * s.time * s.features, s.time * s.features, 0.0f);
  int64_t step = 0;
  for (int64_t first = shard.offsets[0], end = shard.offsets.back(); first < end; first += kChunk) {
    const int64_t rows = std::min(kChunk, end - first);
    Multiply({b.saved.gates + first * width, width, 1, rows, s.gates() * units, b.kernel, columns,
              scratch, columns, false});
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t packed = first + i;
      while (packed >= shard.offsets[step + 1]) ++step;
      const int64_t row = shard.rows[packed - shard.offsets[step]];
      std::copy_n(scratch + i * columns, s.features,
                  b.d_inputs + (row * s.time + b.plan.time[packed]) * s.features);
    }
  }
}

template <int W, void (*Multiply)(const Product&)>
RNN_CORE_INLINE void backward(const Backward& b, int64_t index) {
  const Shape& s = b.shape;
  const Shard& shard = b.plan.shards[index];
  const int64_t units = s.padded_units(), width = s.blocks() * units;
  float* d_hidden = b.scratch + index * Backward::scratch_size(s);
  float* d_memory = d_hidden + kShardRows * units;
  float* zeros = d_memory + kShardRows * units;
  float* d_pooled = zeros + units;
  float* scratch = d_pooled + kShardRows * 2 * s.is_pooled() * units;
  std::fill(d_hidden, zeros + units, 0.0f);
  for (int64_t step = shard.steps() - 1; step >= 0; --step) {
    const int64_t first = shard.offsets[step], rows = shard.running(step);
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t packed = first + i;
      const BackRow row = {
          b.saved.gates + packed * width,
          b.saved.hidden + packed * units,
          step == 0 ? zeros : b.saved.memory + (shard.offsets[step - 1] + i) * units,
          b.saved.memory + packed * units,
          d_hidden + i * units,
          d_memory + i * units,
      };
      const bool last = i >= shard.running(step + 1);
      if (s.is_pooled())
        add_pooled<W>(b, shard.rows[i], step, last, d_pooled + 2 * i * units,
                      d_pooled + (2 * i + 1) * units, row.d_hidden);
      else
        add_upstream(b, shard.rows[i], packed, last, row.d_hidden);
      if (s.kind == Kind::kSimple) simple_back<W>(units, row);
      if (s.kind == Kind::kLstm) lstm_back<W>(units, row);
      if (s.kind == Kind::kGru) gru_back<W>(units, row);
    }
    if (step > 0)
      Multiply({b.saved.gates + first * width + s.recurrent_block() * units, width, 1, rows,
                s.gates() * units, b.recurrent, units, d_hidden, units, true});
  }
  if (b.kernel != nullptr) input_gradient<Multiply>(b, shard, scratch);
}

// ---- Gradients of the weights ---------------------------------------------------------------------

constexpr int64_t kBlock = 128;  // Packed rows that are summed before a sum goes to memory.

struct Weights {
  const Shape& shape;
  Saved saved;  // Its gates are gradients by now.
  int64_t packed;
  Gradients gradients;
  float* scratch;  // [tasks(), scratch_size()]

  // A task has some columns of one block.
  static int64_t task_columns(const Shape& s) {
    return std::min<int64_t>(s.padded_units(), 4 * s.width);
  }
  static int64_t tasks_a_block(const Shape& s) {
    return (s.padded_units() + task_columns(s) - 1) / task_columns(s);
  }
  static int64_t tasks(const Shape& s) { return s.blocks() * tasks_a_block(s); }
  static int64_t scratch_size(const Shape& s) {
    return task_columns(s) * (s.features + s.units + 1 + kBlock);
  }
};

// Packs [rows, columns] of the gate gradients for multiply(), and adds them up into `sums`.
template <int W>
RNN_CORE_INLINE void pack_and_sum(const float* from, int64_t stride, int64_t rows, int64_t columns,
                                  float* panels, float* sums) {
  for (int64_t first = 0; first < columns; first += 2 * W) {
    const int64_t panel = std::min<int64_t>(2 * W, columns - first);
    for (int64_t c = 0; c < panel; c += W) {
      Float<W> sum = load<W>(sums + first + c);
      for (int64_t row = 0; row < rows; ++row) {
        const Float<W> value = load<W>(from + row * stride + first + c);
        store<W>(panels + first * rows + row * panel + c, value);
        sum += value;
      }
      store<W>(sums + first + c, sum);
    }
  }
}

template <int W, void (*Multiply)(const Product&)>
RNN_CORE_INLINE void weight_gradients(const Weights& w, int64_t task) {
  const Shape& s = w.shape;
  const int64_t units = s.padded_units(), width = s.blocks() * units;
  const int64_t block = task / Weights::tasks_a_block(s);
  const int64_t first = task % Weights::tasks_a_block(s) * Weights::task_columns(s);
  const int64_t columns = std::min(Weights::task_columns(s), units - first);
  const bool of_input = block < s.gates(), of_product = block >= s.recurrent_block();
  float* d_kernel = w.scratch + task * Weights::scratch_size(s);
  float* d_recurrent = d_kernel + s.features * columns;
  float* sums = d_recurrent + s.units * columns;
  float* panels = sums + columns;
  std::fill(d_kernel, panels, 0.0f);
  for (int64_t row = 0; row < w.packed; row += kBlock) {
    const int64_t rows = std::min(kBlock, w.packed - row);
    pack_and_sum<W>(w.saved.gates + row * width + block * units + first, width, rows, columns, panels,
                    sums);
    if (of_input)
      Multiply({w.saved.inputs + row * s.features, 1, s.features, s.features, rows, panels, columns,
                d_kernel, columns, true});
    if (of_product)
      Multiply({w.saved.hidden + row * units, 1, units, s.units, rows, panels, columns, d_recurrent,
                columns, true});
  }
  const int64_t known = std::clamp<int64_t>(s.units - first, 0, columns);
  const int64_t total = s.gates() * s.units;
  if (of_input) {
    const int64_t to = s.input_gate(block) * s.units + first;
    for (int64_t k = 0; k < s.features; ++k)
      std::copy_n(d_kernel + k * columns, known, w.gradients.kernel + k * total + to);
    std::copy_n(sums, known, w.gradients.bias + to);
  }
  if (of_product) {
    const int64_t to = (block - s.recurrent_block()) * s.units + first;
    for (int64_t k = 0; k < s.units; ++k)
      std::copy_n(d_recurrent + k * columns, known, w.gradients.recurrent + k * total + to);
    if (s.biases() == 2) std::copy_n(sums, known, w.gradients.bias + total + to);
  }
}

// ---- One set of instructions, chosen while running ------------------------------------------------

struct Instructions {
  int width;
  void (*forward)(const Forward&, int64_t shard);
  void (*backward)(const Backward&, int64_t shard);
  void (*weight_gradients)(const Weights&, int64_t task);
};

#define RNN_CORE_INSTRUCTIONS(NAME, TARGET, W, R)                                               \
  namespace NAME {                                                                              \
  TARGET void multiply(const Product& p) { rnn_core::multiply<W, R>(p); }                       \
  TARGET void forward(const Forward& f, int64_t i) { rnn_core::forward<W, multiply>(f, i); }    \
  TARGET void backward(const Backward& b, int64_t i) { rnn_core::backward<W, multiply>(b, i); } \
  TARGET void weight_gradients(const Weights& w, int64_t i) {                                   \
    rnn_core::weight_gradients<W, multiply>(w, i);                                              \
  }                                                                                             \
  constexpr Instructions kAll = {W, forward, backward, weight_gradients};                       \
  }

RNN_CORE_INSTRUCTIONS(portable, , 4, 4)
#if defined(__x86_64__)
RNN_CORE_INSTRUCTIONS(avx2, __attribute__((target("avx2,fma"))), 8, 6)
RNN_CORE_INSTRUCTIONS(avx512, __attribute__((target("avx512f"))), 16, 12)
#endif

const Instructions& instructions() {
#if defined(__x86_64__)
  static const Instructions& best = __builtin_cpu_supports("avx512f") ? avx512::kAll
                                    : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
                                        ? avx2::kAll
                                        : portable::kAll;
  return best;
#else
  return portable::kAll;
#endif
}

// ---- The whole layer --------------------------------------------------------------------------------

// The arguments of one layer.
struct Machine {
  const Instructions& instructions;
  // Runs work(0) ... work(count - 1), in any order and on any threads.
  std::function<void(int64_t count, const std::function<void(int64_t)>& work)> parallel;
  // Gives memory for so many floats, which stays until the layer is done.
  std::function<float*(int64_t)> allocate;
};

// The gates of a matrix [rows, G] in the order of the input's blocks, or as they are.
enum class Order { kInput, kProduct };

static int64_t gate_of(const Shape& s, Order order, int64_t block) {
  return order == Order::kInput ? s.input_gate(block) : block;
}

// The matrix [rows, G] as blocks [rows, P], packed.
float* pack_gates(const Machine& machine, const Shape& s, Order order, const float* matrix,
                  int64_t rows) {
  const int64_t units = s.padded_units();
  float* packed = machine.allocate(s.gates() * rows * units);
  for (int64_t block = 0; block < s.gates(); ++block)
    pack(matrix + gate_of(s, order, block) * s.units, s.gates() * s.units, 1, rows, s.units, rows,
         units, s.width, packed + block * rows * units);
  return packed;
}

// The matrix [rows, G] transposed to [gates * P, rows], packed.
float* pack_transposed(const Machine& machine, const Shape& s, Order order, const float* matrix,
                       int64_t rows) {
  const int64_t units = s.padded_units(), depth = s.gates() * units, columns = s.padded(rows);
  std::vector<float> padded(rows * depth);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t block = 0; block < s.gates(); ++block)
      std::copy_n(matrix + (row * s.gates() + gate_of(s, order, block)) * s.units, s.units,
                  padded.data() + row * depth + block * units);
  float* packed = machine.allocate(depth * columns);
  pack(padded.data(), 1, depth, depth, rows, depth, columns, s.width, packed);
  return packed;
}

// The biases by kept blocks; where input and product both have one, their sum.
float* add_biases(const Machine& machine, const Shape& s, const float* bias) {
  const int64_t units = s.padded_units(), total = s.gates() * s.units;
  float* added = machine.allocate(s.blocks() * units);
  std::fill_n(added, s.blocks() * units, 0.0f);
  for (int64_t gate = 0; gate < s.gates(); ++gate)
    for (int64_t u = 0; u < s.units; ++u) {
      added[gate * units + u] += bias[s.input_gate(gate) * s.units + u];
      if (s.biases() == 2)
        added[(gate + s.recurrent_block()) * units + u] += bias[total + gate * s.units + u];
    }
  return added;
}

void run_forward(const Machine& machine, const Shape& s, const Plan& plan, const float* inputs,
                 const LayerWeights& weights, float* output, float* saved) {
  const int64_t shards = plan.shards.size();
  const Forward f = {
      s,
      plan,
      inputs,
      pack_gates(machine, s, Order::kInput, weights.kernel, s.features),
      pack_gates(machine, s, Order::kProduct, weights.recurrent, s.units),
      add_biases(machine, s, weights.bias),
      output,
      Saved(s, plan.packed(), saved),
      machine.allocate(shards * Forward::scratch_size(s)),
  };
  machine.parallel(shards, [&](int64_t shard) { machine.instructions.forward(f, shard); });
}

// Overwrites `saved`: the gates become their gradients.
void run_backward(const Machine& machine, const Shape& s, const Plan& plan,
                  const LayerWeights& weights, float* saved, const float* upstream,
                  const Gradients& gradients) {
  const int64_t shards = plan.shards.size();
  const Saved kept(s, plan.packed(), saved);
  const Backward b = {
      s,
      plan,
      kept,
      upstream,
      gradients.inputs == nullptr
          ? nullptr
          : pack_transposed(machine, s, Order::kInput, weights.kernel, s.features),
      pack_transposed(machine, s, Order::kProduct, weights.recurrent, s.units),
      gradients.inputs,
      machine.allocate(shards * Backward::scratch_size(s)),
  };
  machine.parallel(shards, [&](int64_t shard) { machine.instructions.backward(b, shard); });
  const int64_t tasks = Weights::tasks(s);
  const Weights w = {s, kept, plan.packed(), gradients,
                     machine.allocate(tasks * Weights::scratch_size(s))};
  machine.parallel(tasks, [&](int64_t task) { machine.instructions.weight_gradients(w, task); });
}

}  // namespace rnn_core

#endif  // RNN_CORE_KERNELS_RECURRENCE_H_
