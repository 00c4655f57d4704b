// How the steps of a batch lie in memory.
//
// B rows of T steps; mask [B, T] says which steps are real. Rows are sorted by how many these are
// and dealt to shards; a shard's real steps lie packed, step after step, the longest row first, so
// that step t is one block of the rows that are still running, and a step that is padding is never
// computed. N is the number of packed rows. Units are padded with zeros to full vectors, H to P; a
// padded unit stays zero all the way.

#ifndef RNN_CORE_KERNELS_LAYOUT_H_
#define RNN_CORE_KERNELS_LAYOUT_H_

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace rnn_core {

enum class Kind { kSimple, kLstm, kGru };

// What the layer gives of a row's real steps: all, the last, their mean, their largest numbers, or
// the last two side by side.
enum class Output { kSteps, kLast, kMean, kMax, kMeanMax };

struct Shape {
  Kind kind;
  int64_t batch, time, features, units;
  Output output;
  int width;  // W

  int64_t gates() const { return kind == Kind::kSimple ? 1 : kind == Kind::kLstm ? 4 : 3; }
  int64_t biases() const { return kind == Kind::kGru ? 2 : 1; }
  // Blocks of P that are kept of a step. Those of a GRU are candidate, z, r, and the recurrent part
  // of the candidate: the first three belong to the input, the last three to the recurrent product.
  int64_t blocks() const { return kind == Kind::kGru ? 4 : gates(); }
  int64_t recurrent_block() const { return blocks() - gates(); }
  int64_t input_gate(int64_t block) const {
    return (block + gates() - recurrent_block()) % gates();
  }
  bool sequences() const { return output == Output::kSteps; }
  bool has_mean() const { return output == Output::kMean || output == Output::kMeanMax; }
  bool has_max() const { return output == Output::kMax || output == Output::kMeanMax; }
  bool is_pooled() const { return has_mean() || has_max(); }
  // Of a row: the output is [B, output_width()], or [B, T, H].
  int64_t output_width() const {
    return units * (sequences() ? time : output == Output::kMeanMax ? 2 : 1);
  }
  bool has_memory() const { return kind == Kind::kLstm; }
  int64_t padded(int64_t columns) const { return (columns + width - 1) / width * width; }
  int64_t padded_units() const { return padded(units); }
  int64_t saved_size(int64_t packed) const {
    return packed * (features + padded_units() * (blocks() + 1 + has_memory())) +
           batch * padded_units() * has_max();
  }
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
  float* inputs;     // [B, T, F], or null: not needed.
  float* kernel;     // [F, G]
  float* recurrent;  // [H, G]
  float* bias;       // [biases, G]
};

// What the forward pass keeps for the backward pass, in one buffer [saved_size()].
struct Saved {
  float* inputs;  // [N, F]
  float* gates;   // [N, blocks, P]: the projected input, and then the gates.
  float* hidden;  // [N, P]: before the step.
  float* memory;  // [N, P]: after the step.
  float* places;  // [B, P], if there is a maximum: its real step, an integer by its bits.

  Saved(const Shape& s, int64_t packed, float* buffer)
      : inputs(buffer + packed * s.padded_units() * (s.blocks() + 1 + s.has_memory())),
        gates(buffer),
        hidden(gates + packed * s.blocks() * s.padded_units()),
        memory(hidden + packed * s.padded_units()),
        places(inputs + packed * s.features) {}
};

}  // namespace rnn_core

#endif  // RNN_CORE_KERNELS_LAYOUT_H_
