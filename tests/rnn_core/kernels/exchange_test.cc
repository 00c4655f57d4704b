// The exchange without TensorFlow, for `make sanitize`: workers are threads, joined by socket
// pairs, each in memory of exactly the size it needs. All must get the same sum or the same kind of
// error.

#include "rnn_core/kernels/exchange.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace rnn_core {
namespace {

// The ends of `count` workers.
class Workers {
 public:
  Workers(int count, double timeout_seconds) : sockets_(count, std::vector<int>(count, -1)) {
    for (int a = 0; a < count; ++a)
      for (int b = a + 1; b < count; ++b) {
        int ends[2];
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends);
        sockets_[a][b] = ends[0];
        sockets_[b][a] = ends[1];
      }
    for (int worker = 0; worker < count; ++worker) {
      exchanges.push_back({worker, {}, timeout_seconds, 0.001});
      for (int other = 0; other < count; ++other)
        if (other != worker)
          exchanges.back().peers.push_back(
              {other, sockets_[worker][other], "worker-" + std::to_string(other)});
    }
  }

  ~Workers() {
    for (int worker = 0; worker < static_cast<int>(sockets_.size()); ++worker) leave(worker);
  }

  void leave(int worker) {
    for (int& socket : sockets_[worker]) {
      if (socket >= 0) close(socket);
      socket = -1;
    }
  }

  std::vector<Exchange> exchanges;

 private:
  std::vector<std::vector<int>> sockets_;
};

// What each of `workers` gets, or the text of its error, when each gives `own` of its place.
template <typename Own>
std::vector<std::string> totals(const std::vector<Exchange>& workers, const Own& own) {
  std::vector<std::string> found(workers.size());
  std::vector<std::thread> running;
  for (size_t i = 0; i < workers.size(); ++i)
    running.emplace_back([&, i] {
      const std::vector<float> given = own(workers[i].worker);
      const std::unique_ptr<float[]> total(new float[given.size()]);
      try {
        for (uint64_t number = 0; number < 3; ++number)
          sum_of_workers(workers[i], number, given.data(), total.get(), given.size());
        found[i].assign(reinterpret_cast<char*>(total.get()), given.size() * sizeof(float));
      } catch (const ExchangeError& error) {
        found[i] = error.what();
      }
    });
  for (std::thread& thread : running) thread.join();
  return found;
}

std::string bytes_of(const std::vector<float>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float)};
}

int failed(const char* what, const std::vector<std::string>& found,
           const std::vector<std::string>& expected) {
  if (found == expected) return 0;
  std::printf("%s: %s\n", what, found[0].substr(0, 200).c_str());
  return 1;
}

int wrong_sums(int count, int64_t size) {
  Workers workers(count, 30.0);
  std::vector<float> sum(size);
  const auto own = [size](int worker) {
    std::vector<float> numbers(size);
    for (int64_t i = 0; i < size; ++i) numbers[i] = 1.0f / (1.0f + i) + worker;
    return numbers;
  };
  for (int worker = 0; worker < count; ++worker) {
    const std::vector<float> numbers = own(worker);
    for (int64_t i = 0; i < size; ++i) sum[i] += numbers[i];
  }
  const std::vector<std::string> expected(count, bytes_of(sum));
  return failed("another sum", totals(workers.exchanges, own), expected);
}

int wrong_errors() {
  int wrong = 0;
  const auto five = [](int) { return std::vector<float>(5, 1.0f); };
  const auto unequal = [](int worker) { return std::vector<float>(5 + worker); };
  Workers late(3, 0.1), left(2, 30.0), unlike(2, 30.0);
  wrong += failed("a late worker", totals({late.exchanges[1]}, five),
                  {"no answer of worker-0, worker-2 in 0.1 s"});
  left.leave(1);
  wrong += failed("a worker that left", totals({left.exchanges[0]}, five),
                  {"worker-1 is gone: Broken pipe"});
  const std::string where = " is at another point of the training: it sent exchange (0, ";
  const std::string question = "; do all run the same program?";
  wrong += failed(
      "unlike workers", totals(unlike.exchanges, unequal),
      {"worker-1" + where + "24) (number, bytes), where this worker expected (0, 20)" + question,
       "worker-0" + where + "20) (number, bytes), where this worker expected (0, 24)" + question});
  return wrong;
}

}  // namespace
}  // namespace rnn_core

int main() {
  int cases = 3, failed = rnn_core::wrong_errors();
  for (int count : {2, 3, 5})
    for (int64_t size : {0, 1, 7, 1000, 300000}) {
      ++cases;
      failed += rnn_core::wrong_sums(count, size);
    }
  std::printf("%d cases, %d failures\n", cases, failed);
  return failed == 0 ? 0 : 1;
}
