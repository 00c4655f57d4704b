// The all-reduce sum over the connections of the workers, as in distribution/all_reduce.py: the same
// messages on the wire, the same order of additions, the same error texts. A worker that runs this
// code can work with one that runs the Python code.

#ifndef RNN_CORE_KERNELS_EXCHANGE_H_
#define RNN_CORE_KERNELS_EXCHANGE_H_

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

namespace rnn_core {

// Another worker. Its socket must not block.
struct Peer {
  int worker;  // Its index among all workers.
  int socket;
  std::string name;
};

// An exchange failed; the message names the missing worker.
class ExchangeError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What a message is about: the number of its round, and the bytes that follow.
class Header {
 public:
  Header() = default;
  Header(uint64_t number, uint64_t bytes) {
    for (int i = 0; i < 8; ++i) {
      wire_[i] = static_cast<uint8_t>(number >> (56 - 8 * i));
      wire_[8 + i] = static_cast<uint8_t>(bytes >> (56 - 8 * i));
    }
  }

  uint8_t* data() { return wire_.data(); }
  static constexpr size_t size() { return 16; }
  bool operator!=(const Header& other) const { return wire_ != other.wire_; }
  std::string text() const {
    return "(" + std::to_string(word(0)) + ", " + std::to_string(word(8)) + ")";
  }

 private:
  uint64_t word(int start) const {
    uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | wire_[start + i];
    return value;
  }

  std::array<uint8_t, 16> wire_{};
};

// A header and what follows, of which some bytes are done.
class Transfer {
 public:
  Transfer(const Header& header, void* bytes, size_t size)
      : header_(header), bytes_(static_cast<uint8_t*>(bytes)), size_(size) {}

  const Header& header() const { return header_; }
  bool has_header() const { return done_ >= Header::size(); }
  bool is_done() const { return done_ == Header::size() + size_; }

  // Moves what can be moved now with `move`, sendmsg or recvmsg; false: the other side has closed.
  template <typename Move>
  bool advance(const Move& move) {
    while (!is_done()) {
      std::array<iovec, 2> rest;
      msghdr message = {};
      message.msg_iov = rest.data();
      message.msg_iovlen = what_is_left(&rest);
      const ssize_t moved = move(&message);
      if (moved == 0) return false;
      if (moved > 0) done_ += moved;
      else if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
      else if (errno != EINTR) throw ExchangeError(strerror(errno));
    }
    return true;
  }

 private:
  size_t what_is_left(std::array<iovec, 2>* rest) {
    if (has_header()) {
      const size_t at = done_ - Header::size();
      (*rest)[0] = {bytes_ + at, size_ - at};
      return 1;
    }
    (*rest)[0] = {header_.data() + done_, Header::size() - done_};
    (*rest)[1] = {bytes_, size_};
    return size_ ? 2 : 1;
  }

  Header header_;
  uint8_t* bytes_;
  size_t size_;
  size_t done_ = 0;
};

// What goes to one worker and what comes from it, as far as they are.
class Message {
 public:
  Message(const Peer& peer, uint64_t number, const void* given, size_t given_size, void* taken,
          size_t taken_size)
      : peer_(peer),
        expected_(number, taken_size),
        out_(Header(number, given_size), const_cast<void*>(given), given_size),
        in_(Header(), taken, taken_size) {}

  const Peer& peer() const { return peer_; }
  bool is_done() const { return out_.is_done() && in_.is_done(); }
  pollfd awaited() const {
    const int events = (out_.is_done() ? 0 : POLLOUT) | (in_.is_done() ? 0 : POLLIN);
    return {peer_.socket, static_cast<short>(events), 0};
  }

  // Moves what can be moved now. Throws ExchangeError.
  void advance() {
    bool is_open = true;
    try {
      out_.advance([this](msghdr* m) { return sendmsg(peer_.socket, m, MSG_NOSIGNAL); });
      is_open = in_.advance([this](msghdr* m) { return recvmsg(peer_.socket, m, 0); });
    } catch (const ExchangeError& error) {
      throw ExchangeError(peer_.name + " is gone: " + error.what());
    }
    if (!is_open) throw ExchangeError(peer_.name + " is gone: it closed its connection");
    if (in_.has_header() && in_.header() != expected_)
      throw ExchangeError(peer_.name + " is at another point of the training: it sent exchange " +
                          in_.header().text() + " (number, bytes), where this worker expected " +
                          expected_.text() + "; do all run the same program?");
  }

 private:
  const Peer& peer_;
  Header expected_;
  Transfer out_;
  Transfer in_;
};

// This worker's end of the connections to all others; the peers are in the order of the workers.
struct Exchange {
  using Clock = std::chrono::steady_clock;

  int worker;
  std::vector<Peer> peers;
  double timeout_seconds;
  // Busy-wait this long before blocking in poll(): being woken up takes longer than most messages.
  double spin_seconds;

  // Returns when all messages have been sent and received. Throws ExchangeError.
  void finish(std::vector<Message>* messages) const {
    const Clock::time_point began = Clock::now();
    while (true) {
      bool is_done = true;
      for (Message& message : *messages) {
        if (!message.is_done()) message.advance();
        is_done = is_done && message.is_done();
      }
      if (is_done) return;
      const double waited = std::chrono::duration<double>(Clock::now() - began).count();
      if (waited < spin_seconds) sched_yield();
      else sleep(*messages, timeout_seconds - waited);
    }
  }

 private:
  void sleep(const std::vector<Message>& messages, double seconds) const {
    std::vector<pollfd> awaited;
    std::string names;
    for (const Message& message : messages) {
      if (message.is_done()) continue;
      awaited.push_back(message.awaited());
      names += (names.empty() ? "" : ", ") + message.peer().name;
    }
    const int milliseconds = static_cast<int>(std::max(0.0, 1e3 * seconds));
    const int ready = poll(awaited.data(), awaited.size(), milliseconds);
    if (ready > 0 || (ready < 0 && errno == EINTR)) return;
    char limit[32];
    snprintf(limit, sizeof limit, "%g", timeout_seconds);
    throw ExchangeError("no answer of " + names + " in " + limit + " s");
  }
};

template <typename T>
void add(const T* given, int64_t size, T* total) {
  for (int64_t i = 0; i < size; ++i) total[i] += given[i];
}

// Two workers send each other their whole buffers.
template <typename T>
void sum_of_two(const Exchange& exchange, uint64_t round, const T* own, T* total, int64_t size) {
  const size_t bytes = size * sizeof(T);
  std::vector<Message> messages;
  messages.emplace_back(exchange.peers[0], round, own, bytes, total, bytes);
  exchange.finish(&messages);
  add(own, size, total);
}

// Three or more run a reduce-scatter and then an all-gather: each worker adds up one piece of all
// buffers, then sends the sum of that piece to all others.
template <typename T>
void sum_of_many(const Exchange& exchange, uint64_t round, const T* own, T* total, int64_t size) {
  const int64_t count = static_cast<int64_t>(exchange.peers.size()) + 1;
  const auto start = [&](int64_t worker) { return size * worker / count; };
  const auto width = [&](int64_t worker) { return start(worker + 1) - start(worker); };
  const int64_t first = start(exchange.worker), own_width = width(exchange.worker);
  std::vector<T> rows(count * own_width);
  const auto row = [&](int64_t worker) { return rows.data() + worker * own_width; };
  std::copy_n(own + first, own_width, row(exchange.worker));
  std::vector<Message> messages;
  for (const Peer& peer : exchange.peers)
    messages.emplace_back(peer, round, own + start(peer.worker), width(peer.worker) * sizeof(T),
                          row(peer.worker), own_width * sizeof(T));
  exchange.finish(&messages);
  std::copy_n(row(0), own_width, total + first);
  // In the order of the workers: floating-point addition is not associative, and all workers must
  // get the same bits.
  for (int64_t worker = 1; worker < count; ++worker) add(row(worker), own_width, total + first);
  messages.clear();
  for (const Peer& peer : exchange.peers)
    messages.emplace_back(peer, round + 1, total + first, own_width * sizeof(T),
                          total + start(peer.worker), width(peer.worker) * sizeof(T));
  exchange.finish(&messages);
}

// Writes to `total` the sum over all workers, added in their order, of what they call `own`.
// Throws ExchangeError.
template <typename T>
void sum_of_workers(const Exchange& exchange, uint64_t number, const T* own, T* total,
                    int64_t size) {
  const auto sum = exchange.peers.size() == 1 ? sum_of_two<T> : sum_of_many<T>;
  sum(exchange, 2 * number, own, total, size);
}

}  // namespace rnn_core

#endif  // RNN_CORE_KERNELS_EXCHANGE_H_
