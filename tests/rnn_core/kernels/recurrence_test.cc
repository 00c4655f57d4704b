// The kernel without TensorFlow, for `make sanitize`: every set of instructions that this machine
// has, on many threads, in memory of exactly the size it asks for. Each must give the numbers of
// the portable one, and the same bits on one thread as on many.

#include "rnn_core/kernels/recurrence.h"

#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace rnn_core {

// Vectors as long as those of AVX-512, on any machine.
RNN_CORE_INSTRUCTIONS(wide, , 16, 12)

namespace {

std::vector<const Instructions*> all_instructions() {
  std::vector<const Instructions*> all = {&portable::kAll, &wide::kAll};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) all.push_back(&avx2::kAll);
  if (__builtin_cpu_supports("avx512f")) all.push_back(&avx512::kAll);
#endif
  return all;
}

struct Case {
  Kind kind;
  int64_t batch, time, features, units;
  Output output;
};

using Numbers = std::vector<float>;

Numbers random_numbers(int64_t count, std::mt19937* random) {
  std::normal_distribution<float> normal(0.0f, 0.5f);
  Numbers numbers(count);
  for (float& number : numbers) number = normal(*random);
  return numbers;
}

// The output and all gradients, one after the other.
Numbers run(const Case& c, const Instructions& instructions, int threads) {
  std::mt19937 random(7);
  const Shape s = {c.kind, c.batch, c.time, c.features, c.units, c.output, instructions.width};
  const int64_t total = s.gates() * c.units;
  const int64_t outputs = c.batch * s.output_width();
  const Numbers inputs = random_numbers(c.batch * c.time * c.features, &random);
  const Numbers kernel = random_numbers(c.features * total, &random);
  const Numbers recurrent = random_numbers(c.units * total, &random);
  const Numbers bias = random_numbers(s.biases() * total, &random);
  const Numbers upstream = random_numbers(outputs, &random);
  const std::unique_ptr<bool[]> mask(new bool[c.batch * c.time]);
  for (int64_t i = 0; i < c.batch * c.time; ++i) mask[i] = random() % 4 != 0;

  const auto parallel = [threads](int64_t count, const std::function<void(int64_t)>& work) {
    std::atomic<int64_t> next{0};
    std::vector<std::thread> running;
    for (int i = 0; i < threads; ++i)
      running.emplace_back([&] {
        for (int64_t task; (task = next++) < count;) work(task);
      });
    for (std::thread& thread : running) thread.join();
  };
  std::vector<std::unique_ptr<float[]>> memory;
  const auto allocate = [&](int64_t count) {
    memory.emplace_back(new float[count]);
    std::fill_n(memory.back().get(), count, std::nanf(""));  // Whoever reads before writing shows.
    return memory.back().get();
  };
  const Machine machine = {instructions, parallel, allocate};
  const Plan plan = make_plan(mask.get(), c.batch, c.time);
  const LayerWeights weights = {kernel.data(), recurrent.data(), bias.data()};
  float* saved = allocate(s.saved_size(plan.packed()));
  Numbers output(outputs), d_inputs(inputs.size()), d_kernel(kernel.size());
  Numbers d_recurrent(recurrent.size()), d_bias(bias.size());
  run_forward(machine, s, plan, inputs.data(), weights, output.data(), saved);
  run_backward(machine, s, plan, weights, saved, upstream.data(),
               {d_inputs.data(), d_kernel.data(), d_recurrent.data(), d_bias.data()});
  for (const Numbers& part : {d_inputs, d_kernel, d_recurrent, d_bias})
    output.insert(output.end(), part.begin(), part.end());
  return output;
}

bool close(const Numbers& found, const Numbers& expected) {
  float largest = 1.0f;
  for (float number : expected) largest = std::max(largest, std::abs(number));
  for (size_t i = 0; i < expected.size(); ++i)
    if (!(std::abs(found[i] - expected[i]) < 1e-5f * largest)) return false;
  return true;
}

int failures(const Case& c) {
  const Numbers expected = run(c, portable::kAll, 1);
  int failed = 0;
  for (const Instructions* instructions : all_instructions()) {
    const Numbers one = run(c, *instructions, 1), many = run(c, *instructions, 4);
    const bool same =
        one.empty() || std::memcmp(one.data(), many.data(), one.size() * sizeof(float)) == 0;
    if (same && close(one, expected)) continue;
    ++failed;
    std::printf("kind %d, B %ld, T %ld, F %ld, H %ld, output %d, width %d: %s\n",
                static_cast<int>(c.kind), static_cast<long>(c.batch), static_cast<long>(c.time),
                static_cast<long>(c.features), static_cast<long>(c.units), static_cast<int>(c.output),
                instructions->width, same ? "other numbers" : "other bits on many threads");
  }
  return failed;
}

}  // namespace
}  // namespace rnn_core

int main() {
  using rnn_core::Kind;
  using rnn_core::Output;
  int cases = 0, failed = 0;
  for (Kind kind : {Kind::kSimple, Kind::kLstm, Kind::kGru})
    for (Output output : {Output::kSteps, Output::kLast, Output::kMean, Output::kMax, Output::kMeanMax})
      for (const auto& [batch, time, features, units] : std::vector<std::array<int64_t, 4>>{
               {0, 3, 2, 2}, {3, 0, 2, 2}, {1, 1, 1, 1}, {2, 7, 3, 5}, {9, 4, 1, 16},
               {40, 12, 17, 33}, {5, 150, 4, 8}, {1, 90, 20, 24}}) {
        ++cases;
        failed += rnn_core::failures({kind, batch, time, features, units, output});
      }
  std::printf("%d cases, %d failures\n", cases, failed);
  return failed == 0 ? 0 : 1;
}
