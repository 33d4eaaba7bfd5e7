#pragma once

#include "lib/device/memory.cuh"
#include "lib/ops/ssu/backends/native/tile.cuh"
#include "lib/state/codec.cuh"

#include <cstdint>
#include <type_traits>

/** What a thread holds of a state, as it lies in memory: from slot to registers and back. Both ways
 *  of holding it give and take octets of its rows. */
namespace ssugraph::detail::native {

/** Row by row, where dstate is what is contiguous. */
template <class V>
struct held_rows {
  using words = typename V::words;
  using layout = typename V::layout;
  words raw[V::rows];

  __device__ void read(const tile<V>& mine, std::int64_t slot) {
    const ssu_params& p = mine.p;
    const std::byte* at = mine.first_row_of(p.state, slot);
#pragma unroll
    for (int r = 0; r < V::rows; ++r) {
      load_octet<layout, typename V::state>(at, p.state.stride[3], mine.lane, p.dstate, raw[r]);
      at += mine.to_next_row(p.state, r);
    }
  }

  /** Brings what `read` reads into the L2 cache. */
  __device__ static void prefetch(const tile<V>& mine, std::int64_t slot) {
    constexpr int run_bytes = layout::run_bytes;
    static_assert(cache_line % run_bytes == 0, "a line has one thread that fetches it");
    const ssu_params& p = mine.p;
    if (!V::vector || mine.lane % (cache_line / run_bytes) != 0) return;
    const std::byte* at = mine.first_row_of(p.state, slot) + mine.lane * run_bytes;
#pragma unroll
    for (int r = 0; r < V::rows; ++r) {
#pragma unroll
      for (int chunk = 0; chunk < layout::chunks; ++chunk) {
        if (layout::first(mine.lane, chunk) < p.dstate)
          detail::prefetch(at + chunk * V::lanes * run_bytes);
      }
      if constexpr (V::scaled)
        detail::prefetch(mine.scale_of_row(p.state_scale, slot, mine.row(r)));
      at += mine.to_next_row(p.state, r);
    }
  }

  __device__ void widen(int r, float (&h)[V::columns]) const {
    detail::widen<typename V::state>(raw[r], h);
  }
  __device__ void put(int r, const words& word) {
    memcpy(raw[r], word, sizeof word);
  }

  /** Writes the octets that `make(r, word)` makes, not those held. */
  template <class Make>
  __device__ void write(const tile<V>& mine, std::int64_t slot, Make make) const {
    const ssu_params& p = mine.p;
    std::byte* to = mine.first_row_of(p.dst_state, slot);
#pragma unroll
    for (int r = 0; r < V::rows; ++r) {
      words word;
      make(r, word);
      store_octet<layout, typename V::state>(mine.exists(mine.row(r)), to, p.dst_state.stride[3],
                                             mine.lane, p.dstate, word);
      to += mine.to_next_row(p.dst_state, r);
    }
  }
  __device__ void write(const tile<V>& mine, std::int64_t slot) const {
    write(mine, slot, [this](int r, words& word) { memcpy(word, raw[r], sizeof word); });
  }
};

/**
 * Column by column, where dim is what is contiguous: of each of its eight columns a thread has as
 * many rows, in runs of neighbours. Two rows of 16 bits share a word, so they are put in order.
 */
template <class V>
struct held_columns {
  using words = typename V::words;
  using layout = typename V::layout;
  static constexpr int run_bytes = V::run_rows * sizeof(typename V::state);
  static constexpr int run_words = run_bytes / sizeof(std::uint32_t);
  static constexpr int runs = V::rows / V::run_rows;
  static constexpr int rows_a_word = V::run_rows / run_words;
  struct alignas(run_bytes) run {
    std::uint32_t word[run_words];
  };
  run column[octet_size][runs];
  words even;  ///< what was put last, if its row is even

  /** Where column `i` is. One behind the end of the rows can be read: the last one. */
  __device__ static std::byte* at(const tile<V>& mine, std::byte* first, const strided<4>& states,
                                  int i) {
    return stepped<true>(first, min(number(mine, i), mine.p.dstate - 1), states.stride[3]);
  }
  __device__ static std::uint32_t number(const tile<V>& mine, int i) {
    return layout::first(mine.lane, i / layout::width) + i % layout::width;
  }
  /** From the first run of a column to run `k`. Behind the last one that can be read comes the
   * first again. */
  __device__ static std::uint32_t to_run(const tile<V>& mine, int k) {
    return exists(mine, k) ? k * mine.runs_apart() * sizeof(typename V::state) : 0;
  }
  __device__ static bool exists(const tile<V>& mine, int k) {
    return mine.exists(mine.row(k * V::run_rows));
  }

  __device__ void read(const tile<V>& mine, std::int64_t slot) {
    std::byte* const first = mine.first_row_of(mine.p.state, slot);
#pragma unroll
    for (int i = 0; i < octet_size; ++i) {
      const std::byte* from = at(mine, first, mine.p.state, i);
#pragma unroll
      for (int k = 0; k < runs; ++k)
        column[i][k] = *reinterpret_cast<const run*>(from + to_run(mine, k));
    }
  }

  /** Brings what `read` reads into the L2 cache. */
  __device__ static void prefetch(const tile<V>& mine, std::int64_t slot) {
    static_assert(cache_line % run_bytes == 0, "a line has one group that fetches it");
    if (mine.group() % (cache_line / run_bytes) != 0) return;
    std::byte* const first = mine.first_row_of(mine.p.state, slot);
#pragma unroll
    for (int i = 0; i < octet_size; ++i) {
#pragma unroll
      for (int k = 0; k < runs; ++k)
        detail::prefetch(at(mine, first, mine.p.state, i) + to_run(mine, k));
    }
  }

  __device__ void widen(int r, float (&h)[octet_size]) const {
    words word;
#pragma unroll
    for (int i = 0; i < octet_size; i += rows_a_word) {
      if constexpr (rows_a_word == 1) {
        word[i] = word_of_row(i, r);
      } else {
        word[i / 2] = half_words(word_of_row(i, r), word_of_row(i + 1, r), r % 2);
      }
    }
    detail::widen<typename V::state>(word, h);
  }

  __device__ void put(int r, const words& word) {
    if (rows_a_word == 2 && r % 2 == 0) {
      memcpy(even, word, sizeof word);
      return;
    }
#pragma unroll
    for (int i = 0; i < octet_size; ++i) {
      column[i][r / V::run_rows].word[r % V::run_rows / rows_a_word] =
          rows_a_word == 1 ? word[i] : half_words(even[i / 2], word[i / 2], i % 2);
    }
  }

  __device__ void write(const tile<V>& mine, std::int64_t slot) const {
    std::byte* const first = mine.first_row_of(mine.p.dst_state, slot);
#pragma unroll
    for (int i = 0; i < octet_size; ++i) {
      if (number(mine, i) >= mine.p.dstate) continue;
      std::byte* to = at(mine, first, mine.p.dst_state, i);
#pragma unroll
      for (int k = 0; k < runs; ++k)
        if (exists(mine, k)) *reinterpret_cast<run*>(to + to_run(mine, k)) = column[i][k];
    }
  }
  /** Writes the octets that `make(r, word)` makes. */
  template <class Make>
  __device__ void write(const tile<V>& mine, std::int64_t slot, Make make) {
#pragma unroll
    for (int r = 0; r < V::rows; ++r) {
      words word;
      make(r, word);
      put(r, word);
    }
    write(mine, slot);
  }

 private:
  __device__ std::uint32_t word_of_row(int i, int r) const {
    return column[i][r / V::run_rows].word[r % V::run_rows / rows_a_word];
  }
  /** Of two words the low halves, or the high ones. */
  __device__ static std::uint32_t half_words(std::uint32_t a, std::uint32_t b, int high) {
    return __byte_perm(a, b, high != 0 ? 0x7632 : 0x5410);
  }
};

template <class V>
using held_state = std::conditional_t<V::along_dim, held_columns<V>, held_rows<V>>;

}  // namespace ssugraph::detail::native
