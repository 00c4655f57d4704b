// Vectors and matrix products, for any width of vectors.
//
// All is inlined into functions that say which instructions they may use: see recurrence.h.

#ifndef RNN_CORE_KERNELS_PRODUCTS_H_
#define RNN_CORE_KERNELS_PRODUCTS_H_

#include <algorithm>
#include <cstdint>
#include <cstring>

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

// R rows by P panels of V vectors of columns: as many sums as the registers hold.
template <int W, int R, int V, int P>
RNN_CORE_INLINE void tile(const Product& p, const float* left, const float* panel, float* out) {
  Float<W> sum[R][P * V];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < P * V; ++v)
      sum[r][v] = p.add ? load<W>(out + r * p.out_stride + v * W) : Float<W>{};
  for (int64_t k = 0; k < p.depth; ++k, left += p.depth_stride, panel += V * W) {
    Float<W> right[P * V];
    for (int v = 0; v < P * V; ++v)
      right[v] = load<W>(panel + v / V * p.depth * V * W + v % V * W);
    for (int r = 0; r < R; ++r) {
      const Float<W> value = left[r * p.row_stride] - Float<W>{};
      for (int v = 0; v < P * V; ++v) sum[r][v] += value * right[v];
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < P * V; ++v) store<W>(out + r * p.out_stride + v * W, sum[r][v]);
}

template <int W, int R, int V, int P>
RNN_CORE_INLINE void tile_of(int64_t rows, const Product& p, const float* left, const float* panel,
                             float* out) {
  if (rows == R) return tile<W, R, V, P>(p, left, panel, out);
  if constexpr (R > 1) tile_of<W, R - 1, V, P>(rows, p, left, panel, out);
}

template <int W, int R, int V, int P>
RNN_CORE_INLINE void multiply_panels(const Product& p, int64_t column) {
  const int64_t tiles = (p.rows + R - 1) / R;
  for (int64_t i = 0, row = 0; i < tiles; ++i) {
    const int64_t rows = (p.rows - row + tiles - i - 1) / (tiles - i);
    tile_of<W, R, V, P>(rows, p, p.left + row * p.row_stride, p.panels + column * p.depth,
                        p.out + row * p.out_stride + column);
    row += rows;
  }
}

// R rows at a time by a panel, or half of them by two: a few rows alone would keep too few sums
// under way.
template <int W, int R>
RNN_CORE_INLINE void multiply(const Product& p) {
  int64_t column = 0;
  if (p.rows <= R / 2)
    for (; column + 4 * W <= p.columns; column += 4 * W) multiply_panels<W, R / 2, 2, 2>(p, column);
  for (; column + 2 * W <= p.columns; column += 2 * W) multiply_panels<W, R, 2, 1>(p, column);
  if (column < p.columns) multiply_panels<W, R, 1, 1>(p, column);
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

}  // namespace rnn_core

#endif  // RNN_CORE_KERNELS_PRODUCTS_H_
