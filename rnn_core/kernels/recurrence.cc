// One recurrent layer on a CPU, forward and backward: simple_rnn, lstm and gru (reset after).
//
// Layout. B rows of T steps; mask [B, T] says which steps are real. Rows are sorted by how many
// these are and dealt to shards; a shard's real steps lie packed, step after step, the longest row
// first, so that step t is one block of the rows that are still running, and a step that is padding
// is never computed. N is the number of packed rows. Units are padded with zeros to full vectors,
// H to P; a padded unit stays zero all the way.
//
// Results do not depend on the number of threads: shards and tasks follow from the shapes alone,
// they write to places of their own, and each sum has one order.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <new>
#include <numeric>
#include <vector>

namespace rnn_core {

#define RNN_CORE_INLINE static inline __attribute__((always_inline))

// ---- Vectors of W floats --------------------------------------------------------------------

template <int W>
struct Vector {
  typedef float Float __attribute__((vector_size(4 * W)));
  typedef int32_t Int __attribute__((vector_size(4 * W)));
};
template <int W>
using Float = typename Vector<W>::Float;
template <int W>
using Int = typename Vector<W>::Int;

template <int W>
RNN_CORE_INLINE Float<W> load(const float* from) {
  Float<W> value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <int W>
RNN_CORE_INLINE void store(float* to, Float<W> value) {
  std::memcpy(to, &value, sizeof value);
}

// e^x - 1, as exact near 0 as elsewhere: 2^n (e^r - 1) + (2^n - 1), with x = n ln 2 + r.
template <int W>
RNN_CORE_INLINE Float<W> expm1(Float<W> x) {
  const Float<W> zero = {};
  const float rounder = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer.
  x = x > 88.0f ? zero + 88.0f : x;
  x = x < -87.0f ? zero - 87.0f : x;
  const Float<W> shifted = x * 1.44269504f + rounder;
  const Float<W> n = shifted - rounder;
  const Float<W> r = x - n * 0.693147181f, rr = r * r;
  // Terms in pairs: the shorter the chain of operations, the more of them overlap.
  const Float<W> high = r * (1.0f / 5040) + 1.0f / 720, middle = r * (1.0f / 120) + 1.0f / 24;
  const Float<W> low = r * (1.0f / 6) + 0.5f;
  const Float<W> small = ((high * rr + middle) * rr + low) * rr + r;
  const Float<W> power = (Float<W>)(((Int<W>)shifted << 23) + 0x3f800000);
  return power * small + (power - 1.0f);
}

template <int W>
RNN_CORE_INLINE Float<W> sigmoid(Float<W> x) {
  return 1.0f / (2.0f + expm1<W>(-x));
}

template <int W>
RNN_CORE_INLINE Float<W> tanh(Float<W> x) {
  const Float<W> e = expm1<W>(-2.0f * x);
  return -e / (2.0f + e);
}

// ---- Products ---------------------------------------------------------------------------------

// out [rows, columns] = (or +=, with `add`) left [rows, depth] right [depth, columns].
struct Product {
  const float* left;
  int64_t row_stride, depth_stride;  // Of `left`, so that it may be read transposed.
  int64_t rows, depth;
  const float* panels;  // `right` in panels of 2 W columns; a last one of W. See pack().
  int64_t columns;      // A multiple of W.
  float* out;
  int64_t out_stride;
  bool add;
};

template <int W, int R, int V>
RNN_CORE_INLINE void tile(const Product& p, const float* left, const float* panel, float* out) {
  Float<W> sum[R][V];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v)
      sum[r][v] = p.add ? load<W>(out + r * p.out_stride + v * W) : Float<W>{};
  for (int64_t k = 0; k < p.depth; ++k, left += p.depth_stride, panel += V * W) {
    Float<W> right[V];
    for (int v = 0; v < V; ++v) right[v] = load<W>(panel + v * W);
    for (int r = 0; r < R; ++r) {
      const Float<W> value = left[r * p.row_stride] - Float<W>{};
      for (int v = 0; v < V; ++v) sum[r][v] += value * right[v];
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) store<W>(out + r * p.out_stride + v * W, sum[r][v]);
}

template <int W, int R, int V>
RNN_CORE_INLINE void tile_of(int64_t rows, const Product& p, const float* left, const float* panel,
                             float* out) {
  if (rows == R) return tile<W, R, V>(p, left, panel, out);
  if constexpr (R > 1) tile_of<W, R - 1, V>(rows, p, left, panel, out);
}

template <int W, int R, int V>
RNN_CORE_INLINE void multiply_panel(const Product& p, int64_t column) {
  const int64_t tiles = (p.rows + R - 1) / R;
  for (int64_t i = 0, row = 0; i < tiles; ++i) {
    const int64_t rows = (p.rows - row + tiles - i - 1) / (tiles - i);
    tile_of<W, R, V>(rows, p, p.left + row * p.row_stride, p.panels + column * p.depth,
                     p.out + row * p.out_stride + column);
    row += rows;
  }
}

// R rows at a time, by two vectors of columns: as many sums as the registers hold.
template <int W, int R>
RNN_CORE_INLINE void multiply(const Product& p) {
  int64_t column = 0;
  for (; column + 2 * W <= p.columns; column += 2 * W) multiply_panel<W, R, 2>(p, column);
  if (column < p.columns) multiply_panel<W, R, 1>(p, column);
}

// Lays out `right` [depth, columns] for multiply(): each panel's rows one after the other. What is
// outside of the matrix [known_depth, known_columns] at `from` is zero.
void pack(const float* from, int64_t depth_stride, int64_t column_stride, int64_t known_depth,
          int64_t known_columns, int64_t depth, int64_t columns, int width, float* to) {
  std::fill(to, to + depth * columns, 0.0f);
  for (int64_t first = 0; first < known_columns; first += 2 * width) {
    const int64_t panel = std::min<int64_t>(2 * width, columns - first);
    const int64_t known = std::min(panel, known_columns - first);
    float* rows = to + first * depth;
    if (column_stride == 1) {
      for (int64_t k = 0; k < known_depth; ++k)
        std::copy_n(from + k * depth_stride + first, known, rows + k * panel);
    } else {
      for (int64_t c = 0; c < known; ++c)
        for (int64_t k = 0; k < known_depth; ++k)
          rows[k * panel + c] = from[(first + c) * column_stride + k * depth_stride];
    }
  }
}

// ---- What is computed: shapes, packed rows, memory ----------------------------------------------

enum class Kind { kSimple, kLstm, kGru };

struct Shape {
  Kind kind;
  int64_t batch, time, features, units;
  bool sequences;  // The output is [B, T, H], else [B, H]: the last real step's.
  int width;       // W

  int64_t gates() const { return kind == Kind::kSimple ? 1 : kind == Kind::kLstm ? 4 : 3; }
  int64_t biases() const { return kind == Kind::kGru ? 2 : 1; }
  // Blocks of P that are kept of a step. Those of a GRU are candidate, z, r, and the recurrent part
  // of the candidate: the first three belong to the input, the last three to the recurrent product.
  int64_t blocks() const { return kind == Kind::kGru ? 4 : gates(); }
  int64_t recurrent_block() const { return blocks() - gates(); }
  int64_t input_gate(int64_t block) const {
    return (block + gates() - recurrent_block()) % gates();
  }
  bool has_memory() const { return kind == Kind::kLstm; }
  int64_t padded(int64_t columns) const { return (columns + width - 1) / width * width; }
  int64_t padded_units() const { return padded(units); }
  int64_t saved_width() const { return features + padded_units() * (blocks() + 1 + has_memory()); }
};

constexpr int64_t kShardRows = 8;  // At most.

struct Shard {
  std::vector<int64_t> rows;     // Of the batch, longest first.
  std::vector<int64_t> offsets;  // [steps + 1]: the packed row that each step begins with.
  int64_t steps() const { return static_cast<int64_t>(offsets.size()) - 1; }
  int64_t running(int64_t step) const {
    return step < steps() ? offsets[step + 1] - offsets[step] : 0;
  }
};

struct Plan {
  std::vector<Shard> shards;
  std::vector<int64_t> time;   // [N]: the time of a packed row.
  std::vector<int64_t> until;  // [N]: the time of its row's next real step, or T.
  int64_t packed() const { return static_cast<int64_t>(time.size()); }
};

Plan make_plan(const bool* mask, int64_t batch, int64_t time) {
  std::vector<int64_t> lengths(batch), order(batch);
  for (int64_t row = 0; row < batch; ++row)
    lengths[row] = std::count(mask + row * time, mask + (row + 1) * time, true);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return lengths[a] > lengths[b]; });
  const int64_t shard_rows = std::clamp<int64_t>((batch + 1) / 2, 4, kShardRows);
  Plan plan;
  plan.shards.resize((batch + shard_rows - 1) / shard_rows);
  for (int64_t i = 0; i < batch; ++i)
    plan.shards[i % plan.shards.size()].rows.push_back(order[i]);
  plan.time.resize(std::accumulate(lengths.begin(), lengths.end(), int64_t{0}));
  plan.until.resize(plan.time.size());
  int64_t packed = 0;
  for (Shard& shard : plan.shards) {
    shard.offsets.assign(1, packed);
    int64_t running = static_cast<int64_t>(shard.rows.size());
    for (int64_t step = 0; step < lengths[shard.rows[0]]; ++step) {
      while (lengths[shard.rows[running - 1]] <= step) --running;
      shard.offsets.push_back(packed += running);
    }
    for (size_t i = 0; i < shard.rows.size(); ++i) {
      int64_t step = 0;
      for (int64_t t = 0; t < time; ++t) {
        if (!mask[shard.rows[i] * time + t]) continue;
        if (step > 0) plan.until[shard.offsets[step - 1] + i] = t;
        plan.time[shard.offsets[step++] + i] = t;
      }
      if (step > 0) plan.until[shard.offsets[step - 1] + i] = time;
    }
  }
  return plan;
}

struct LayerWeights {
  const float* kernel;     // [F, G]
  const float* recurrent;  // [H, G]
  const float* bias;       // [biases, G]
};

struct Gradients {
  float* inputs;     // [B, T, F], or null: nobody wants it.
  float* kernel;     // [F, G]
  float* recurrent;  // [H, G]
  float* bias;       // [biases, G]
};

// What the forward pass keeps for the backward pass, in one buffer [N * saved_width()].
struct Saved {
  float* inputs;  // [N, F]
  float* gates;   // [N, blocks, P]: the projected input, and then the gates.
  float* hidden;  // [N, P]: before the step.
  float* memory;  // [N, P]: after the step.

  Saved(const Shape& s, int64_t packed, float* buffer)
      : inputs(buffer + packed * s.padded_units() * (s.blocks() + 1 + s.has_memory())),
        gates(buffer),
        hidden(gates + packed * s.blocks() * s.padded_units()),
        memory(hidden + packed * s.padded_units()) {}
};

// ---- Forward --------------------------------------------------------------------------------------

constexpr int64_t kChunk = 64;  // Packed rows whose inputs are projected at once.

struct Forward {
  const Shape& shape;
  const Plan& plan;
  const float* inputs;           // [B, T, F]
  const float* kernel;           // [F, G], packed: by blocks of the input.
  const float* recurrent;        // [H, G], packed.
  const float* bias;             // [blocks, P]: of the input and the product together, if they add.
  float* output;                 // [B, T, H] or [B, H]
  Saved saved;
  float* scratch;  // [shards, scratch_size()]

  static int64_t scratch_size(const Shape& s) {
    return s.padded_units() * (kShardRows * s.gates() + 2);
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
    if (s.sequences)
      std::fill_n(f.output + row * s.time * s.units, before * s.units, 0.0f);
    else if (step == 0)
      std::fill_n(f.output + row * s.units, s.units, 0.0f);
  }
}

// The hidden state after a packed row, to where the output has it.
static void put_output(const Forward& f, int64_t row, int64_t packed, bool last,
                       const float* hidden) {
  const Shape& s = f.shape;
  if (!s.sequences) {
    if (last) std::copy_n(hidden, s.units, f.output + row * s.units);
    return;
  }
  for (int64_t t = f.plan.time[packed]; t < f.plan.until[packed]; ++t)
    std::copy_n(hidden, s.units, f.output + (row * s.time + t) * s.units);
}

template <int W, void (*Multiply)(const Product&)>
RNN_CORE_INLINE void forward(const Forward& f, int64_t index) {
  const Shape& s = f.shape;
  const Shard& shard = f.plan.shards[index];
  const int64_t units = s.padded_units(), width = s.blocks() * units;
  float* product = f.scratch + index * Forward::scratch_size(s);
  float* zeros = product + kShardRows * s.gates() * units;
  float* last_hidden = zeros + units;
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
      put_output(f, shard.rows[i], packed, last, row.hidden);
    }
  }
}

// ---- Backward -------------------------------------------------------------------------------------

struct Backward {
  const Shape& shape;
  const Plan& plan;
  Saved saved;
  const float* upstream;   // [B, T, H] or [B, H]
  const float* kernel;     // The transposed kernel [G, F], packed; null: no gradient of the inputs.
  const float* recurrent;  // The transposed recurrent kernel [G, H], packed.
  float* d_inputs;         // [B, T, F]
  float* scratch;          // [shards, scratch_size()]

  static int64_t scratch_size(const Shape& s) {
    return s.padded_units() * (kShardRows * 2 + 1) + kChunk * s.padded(s.features);
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
  const int64_t from = s.sequences ? row * s.time + b.plan.time[packed] : row;
  const int64_t count = s.sequences ? b.plan.until[packed] - b.plan.time[packed] : last;
  for (int64_t t = from; t < from + count; ++t)
    for (int64_t u = 0; u < s.units; ++u) d_hidden[u] += b.upstream[t * s.units + u];
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
      add_upstream(b, shard.rows[i], packed, i >= shard.running(step + 1), row.d_hidden);
      if (s.kind == Kind::kSimple) simple_back<W>(units, row);
      if (s.kind == Kind::kLstm) lstm_back<W>(units, row);
      if (s.kind == Kind::kGru) gru_back<W>(units, row);
    }
    if (step > 0)
      Multiply({b.saved.gates + first * width + s.recurrent_block() * units, width, 1, rows,
                s.gates() * units, b.recurrent, units, d_hidden, units, true});
  }
  if (b.kernel != nullptr) input_gradient<Multiply>(b, shard, zeros + units);
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

// What a layer is run with.
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

#ifndef RNN_CORE_STAND_ALONE

#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace rnn_core {
namespace {

namespace tf = ::tensorflow;
using tf::shape_inference::DimensionHandle;
using tf::shape_inference::InferenceContext;
using tf::shape_inference::ShapeHandle;

REGISTER_OP("RnnCoreLayer")
    .Attr("cell: {'simple_rnn_cell', 'lstm_cell', 'gru_cell'}")
    .Attr("sequences: bool")
    .Input("inputs: float")
    .Input("mask: bool")
    .Input("kernel: float")
    .Input("recurrent_kernel: float")
    .Input("bias: float")
    .Output("output: float")
    .Output("saved: float")
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle inputs, mask, recurrent;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 3, &inputs));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 2, &mask));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(3), 2, &recurrent));
      DimensionHandle batch, time;
      TF_RETURN_IF_ERROR(c->Merge(c->Dim(inputs, 0), c->Dim(mask, 0), &batch));
      TF_RETURN_IF_ERROR(c->Merge(c->Dim(inputs, 1), c->Dim(mask, 1), &time));
      bool sequences;
      TF_RETURN_IF_ERROR(c->GetAttr("sequences", &sequences));
      const DimensionHandle units = c->Dim(recurrent, 0);
      c->set_output(0, sequences ? c->MakeShape({batch, time, units}) : c->Matrix(batch, units));
      c->set_output(1, c->UnknownShapeOfRank(1));
      return absl::OkStatus();
    });

REGISTER_OP("RnnCoreLayerGradient")
    .Attr("cell: {'simple_rnn_cell', 'lstm_cell', 'gru_cell'}")
    .Attr("sequences: bool")
    .Attr("of_inputs: bool")
    .Input("mask: bool")
    .Input("kernel: float")
    .Input("recurrent_kernel: float")
    .Input("saved: float")
    .Input("d_output: float")
    .Output("d_inputs: float")
    .Output("d_kernel: float")
    .Output("d_recurrent_kernel: float")
    .Output("d_bias: float")
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle mask, kernel, recurrent;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 2, &mask));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 2, &kernel));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(2), 2, &recurrent));
      std::string cell;
      TF_RETURN_IF_ERROR(c->GetAttr("cell", &cell));
      bool of_inputs;
      TF_RETURN_IF_ERROR(c->GetAttr("of_inputs", &of_inputs));
      const DimensionHandle total = c->Dim(recurrent, 1);
      c->set_output(0, of_inputs ? c->MakeShape({c->Dim(mask, 0), c->Dim(mask, 1), c->Dim(kernel, 0)})
                                 : c->MakeShape({0, 0, 0}));
      c->set_output(1, kernel);
      c->set_output(2, recurrent);
      c->set_output(3, cell == "gru_cell" ? c->MakeShape({2, total}) : c->Vector(total));
      return absl::OkStatus();
    });

// What both operations read and check: the shape, and how to get threads and memory.
class LayerKernel : public tf::OpKernel {
 public:
  explicit LayerKernel(tf::OpKernelConstruction* context) : OpKernel(context) {
    std::string cell;
    OP_REQUIRES_OK(context, context->GetAttr("cell", &cell));
    OP_REQUIRES_OK(context, context->GetAttr("sequences", &sequences_));
    kind_ = cell == "lstm_cell"  ? Kind::kLstm
            : cell == "gru_cell" ? Kind::kGru
                                 : Kind::kSimple;
  }

  void Compute(tf::OpKernelContext* context) final {
    try {
      Run(context);
    } catch (const std::bad_alloc&) {
      context->SetStatus(absl::ResourceExhaustedError("RnnCoreLayer: out of memory"));
    }
  }

 protected:
  virtual void Run(tf::OpKernelContext* context) const = 0;

  Shape shape_of(const tf::Tensor& mask, const tf::Tensor& kernel,
                 const tf::Tensor& recurrent) const {
    return {kind_,           mask.dim_size(0),      mask.dim_size(1), kernel.dim_size(0),
            recurrent.dim_size(0), sequences_, instructions().width};
  }

  static absl::Status check_ranks(const tf::Tensor& mask, const tf::Tensor& kernel,
                                const tf::Tensor& recurrent) {
    if (mask.dims() == 2 && kernel.dims() == 2 && recurrent.dims() == 2 &&
        recurrent.dim_size(0) > 0)
      return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "RnnCoreLayer: expected mask [B, T], kernel [F, G] and recurrent_kernel [H, G] with H > 0, "
        "got ", mask.shape().DebugString(), ", ", kernel.shape().DebugString(), " and ",
        recurrent.shape().DebugString()));
  }

  static absl::Status check(const char* name, const tf::Tensor& found, const tf::TensorShape& wanted) {
    if (found.shape() == wanted) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("RnnCoreLayer: expected ", name, " ",
                                                   wanted.DebugString(), ", got ",
                                                   found.shape().DebugString()));
  }

  static const float* data(const tf::Tensor& tensor) { return tensor.flat<float>().data(); }
  static float* data(tf::Tensor* tensor) { return tensor->flat<float>().data(); }

  static tf::TensorShape bias_shape(const Shape& s) {
    const int64_t total = s.gates() * s.units;
    return s.biases() == 2 ? tf::TensorShape({2, total}) : tf::TensorShape({total});
  }

  static tf::TensorShape output_shape(const Shape& s) {
    return s.sequences ? tf::TensorShape({s.batch, s.time, s.units})
                       : tf::TensorShape({s.batch, s.units});
  }

  // The threads of the device, and memory in `temporary`; that throws std::bad_alloc.
  static Machine machine(tf::OpKernelContext* context, std::vector<tf::Tensor>* temporary) {
    auto* pool = context->device()->tensorflow_cpu_worker_threads()->workers;
    const auto parallel = [pool](int64_t count, const std::function<void(int64_t)>& work) {
      if (count == 0) return;
      pool->TransformRangeConcurrently(1, count, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) work(i);
      });
    };
    const auto allocate = [context, temporary](int64_t count) {
      tf::Tensor& made = temporary->emplace_back();
      if (!context->allocate_temp(tf::DT_FLOAT, {count}, &made).ok()) throw std::bad_alloc();
      return made.flat<float>().data();
    };
    return {instructions(), parallel, allocate};
  }

 private:
  Kind kind_;
  bool sequences_;
};

class LayerOp : public LayerKernel {
 public:
  using LayerKernel::LayerKernel;

  void Run(tf::OpKernelContext* context) const override {
    const tf::Tensor &inputs = context->input(0), &mask = context->input(1);
    const tf::Tensor &kernel = context->input(2), &recurrent = context->input(3);
    const tf::Tensor& bias = context->input(4);
    OP_REQUIRES_OK(context, check_ranks(mask, kernel, recurrent));
    const Shape s = shape_of(mask, kernel, recurrent);
    const int64_t total = s.gates() * s.units;
    OP_REQUIRES_OK(context, check("inputs", inputs, {s.batch, s.time, s.features}));
    OP_REQUIRES_OK(context, check("kernel", kernel, {s.features, total}));
    OP_REQUIRES_OK(context, check("recurrent_kernel", recurrent, {s.units, total}));
    OP_REQUIRES_OK(context, check("bias", bias, bias_shape(s)));
    const Plan plan = make_plan(mask.flat<bool>().data(), s.batch, s.time);
    tf::Tensor *output, *saved;
    OP_REQUIRES_OK(context, context->allocate_output(0, output_shape(s), &output));
    OP_REQUIRES_OK(context,
                   context->allocate_output(1, {plan.packed() * s.saved_width()}, &saved));
    std::vector<tf::Tensor> temporary;
    run_forward(machine(context, &temporary), s, plan, data(inputs),
                {data(kernel), data(recurrent), data(bias)}, data(output), data(saved));
  }
};

class LayerGradientOp : public LayerKernel {
 public:
  explicit LayerGradientOp(tf::OpKernelConstruction* context) : LayerKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("of_inputs", &of_inputs_));
  }

  void Run(tf::OpKernelContext* context) const override {
    const tf::Tensor &mask = context->input(0), &kernel = context->input(1);
    const tf::Tensor &recurrent = context->input(2), &saved = context->input(3);
    const tf::Tensor& d_output = context->input(4);
    OP_REQUIRES_OK(context, check_ranks(mask, kernel, recurrent));
    const Shape s = shape_of(mask, kernel, recurrent);
    const int64_t total = s.gates() * s.units;
    OP_REQUIRES_OK(context, check("kernel", kernel, {s.features, total}));
    OP_REQUIRES_OK(context, check("recurrent_kernel", recurrent, {s.units, total}));
    OP_REQUIRES_OK(context, check("d_output", d_output, output_shape(s)));
    const Plan plan = make_plan(mask.flat<bool>().data(), s.batch, s.time);
    OP_REQUIRES_OK(context, check("saved", saved, {plan.packed() * s.saved_width()}));
    tf::Tensor *d_inputs, *d_kernel, *d_recurrent, *d_bias;
    tf::TensorShape inputs_shape({0, 0, 0});
    if (of_inputs_) inputs_shape = tf::TensorShape({s.batch, s.time, s.features});
    OP_REQUIRES_OK(context, context->allocate_output(0, inputs_shape, &d_inputs));
    OP_REQUIRES_OK(context, context->allocate_output(1, kernel.shape(), &d_kernel));
    OP_REQUIRES_OK(context, context->allocate_output(2, recurrent.shape(), &d_recurrent));
    OP_REQUIRES_OK(context, context->allocate_output(3, bias_shape(s), &d_bias));
    std::vector<tf::Tensor> temporary;
    run_backward(machine(context, &temporary), s, plan, {data(kernel), data(recurrent), nullptr},
                 overwritable(context, &temporary), data(d_output),
                 {of_inputs_ ? data(d_inputs) : nullptr, data(d_kernel), data(d_recurrent),
                  data(d_bias)});
  }

 private:
  // What was saved; a copy, if somebody else may read it later.
  static float* overwritable(tf::OpKernelContext* context, std::vector<tf::Tensor>* temporary) {
    const tf::Tensor& saved = context->input(3);
    tf::Tensor& made = temporary->emplace_back();
    if (!context->forward_input_or_allocate_temp({3}, tf::DT_FLOAT, saved.shape(), &made).ok())
      throw std::bad_alloc();
    if (!made.SharesBufferWith(saved))
      std::copy_n(data(saved), saved.NumElements(), data(&made));
    return data(&made);
  }

  bool of_inputs_;
};

REGISTER_KERNEL_BUILDER(Name("RnnCoreLayer").Device(tf::DEVICE_CPU), LayerOp);
REGISTER_KERNEL_BUILDER(Name("RnnCoreLayerGradient").Device(tf::DEVICE_CPU), LayerGradientOp);

}  // namespace
}  // namespace rnn_core

#endif  // RNN_CORE_STAND_ALONE
