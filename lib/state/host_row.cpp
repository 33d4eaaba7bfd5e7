#include "lib/state/host_row.hpp"

#include "lib/device/octet.hpp"
#include "lib/random/philox.hpp"
#include "lib/state/float16.hpp"
#include "lib/state/scaled.hpp"
#include "lib/state/stochastic_round.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace ssugraph::detail {
namespace {

/** `use(T{})` with the type of an element in memory. */
template <class Use>
void with_element(dtype type, Use use) {
  switch (type) {
    case dtype::float32:
      return use(float{});
    case dtype::float16:
      return use(float16{});
    case dtype::bfloat16:
      return use(bfloat16{});
    case dtype::int8:
      return use(std::int8_t{});
    case dtype::int16:
      return use(std::int16_t{});
    case dtype::float8_e4m3:
      return use(float8_e4m3{});
    case dtype::int32:
    case dtype::int64:
      break;
  }
  throw std::logic_error{"no state is stored in " + std::string{to_string(type)}};
}

/** The elements of a row from `first` on, eight or what is left. */
template <class T>
struct octet_place {
  const host_row& row;
  std::int64_t first;
  int count = static_cast<int>(std::min<std::int64_t>(octet_size, row.dstate() - first));

  /** Past the end of the row, zeros. */
  void read(T (&element)[octet_size]) const {
    for (int i = 0; i < octet_size; ++i) {
      element[i] = T{};
      if (i < count) std::memcpy(&element[i], row.element(first + i), sizeof(T));
    }
  }
  void write(const T (&element)[octet_size]) const {
    for (int i = 0; i < count; ++i)
      std::memcpy(row.element(first + i), &element[i], sizeof(T));
  }
};

template <class T>
void decode(const T (&element)[octet_size], float scale, float (&h)[octet_size]) {
  if constexpr (is_scaled_code<T>) {
    std::uint32_t word[words_of_octet<T>];
    std::memcpy(word, element, sizeof word);
    decode_octet<T>(word, h);
    for (float& each : h)
      each *= scale;
  } else {
    std::ranges::transform(element, h, [](T each) { return to_float(each); });
  }
}

/** One float by the random bits of its element. */
float16 rounded(float h, std::uint32_t bits, float16) {
  return {round_to_float16(h, bits)};
}
bfloat16 rounded(float h, std::uint32_t bits, bfloat16) {
  return {round_to_bfloat16(h, bits)};
}
float rounded(float h, std::uint32_t /*bits*/, float) {
  return h;
}

template <class T>
void encode(const float (&h)[octet_size], float scale, const philox_words* random,
            T (&element)[octet_size]) {
  if constexpr (is_scaled_code<T>) {
    std::uint32_t word[words_of_octet<T>];
    random != nullptr ? encode_octet<T>(h, scale, *random, word) : encode_octet<T>(h, scale, word);
    std::memcpy(element, word, sizeof word);
  } else {
    for (std::uint32_t i = 0; i < octet_size; ++i)
      element[i] =
          random != nullptr ? rounded(h[i], rounding_bits(*random, i), T{}) : from_float<T>(h[i]);
  }
}

/** The half-words of the eight elements of a slot from `first` on, in their order: of two draws
 *  where `first` does not start an octet. */
philox_words words_from(const row_bits& bits, std::int64_t first) {
  const auto draw = [&](std::int64_t octet) {
    return rounding_words(bits.seed, static_cast<std::uint32_t>(octet), bits.t, bits.slot,
                          bits.rounds);
  };
  const philox_words here = draw(first / octet_size);
  const auto begin = static_cast<std::uint32_t>(first % octet_size);
  if (begin == 0) return here;
  const philox_words next = draw(first / octet_size + 1);
  philox_words random{};
  for (std::uint32_t i = 0; i < octet_size; ++i) {
    const std::uint32_t e = begin + i;
    random.w[i / 2] |= rounding_bits(e < octet_size ? here : next, e) << 16 * (i % 2);
  }
  return random;
}

std::int64_t offset_of(const tensor_view& tensor, std::int64_t i, std::int64_t j, std::int64_t k) {
  return (i * tensor.stride(0) + j * tensor.stride(1) + k * tensor.stride(2)) *
         size_of(tensor.dtype());
}

std::byte* at(const tensor_view& tensor, std::int64_t offset) {
  return static_cast<std::byte*>(tensor.data()) + offset;
}

/** Eight of `h` from `first` on; past its end, zeros. */
void copy_octet(std::span<const float> h, std::int64_t first, float (&octet)[octet_size]) {
  const auto from = h.subspan(static_cast<std::size_t>(first));
  std::ranges::fill(octet, 0.0f);
  std::ranges::copy(from.first(std::min<std::size_t>(from.size(), octet_size)), octet);
}

float greatest_of(std::span<const float> h) {
  float greatest = 0.0f;
  for (const float each : h)
    greatest = greater_magnitude(greatest, each);
  return greatest;
}

}  // namespace

host_row::host_row(const tensor_view& state, const tensor_view& scale, std::int64_t slot,
                   std::int64_t head, std::int64_t d)
    : first_{at(state, offset_of(state, slot, head, d))},
      stride_{state.stride(3) * size_of(state.dtype())},
      dstate_{state.extent(3)},
      type_{state.dtype()},
      scale_{scale ? reinterpret_cast<float*>(at(scale, offset_of(scale, slot, head, d)))
                   : nullptr} {}

void load_row(const host_row& row, std::span<float> h) {
  with_element(row.type(), [&]<class T>(T) {
    const float scale = is_scaled_code<T> ? row.scale() : 1.0f;
    for (std::int64_t n = 0; n < row.dstate(); n += octet_size) {
      const octet_place<T> place{row, n};
      T element[octet_size];
      place.read(element);
      float octet[octet_size];
      decode(element, scale, octet);
      std::copy_n(octet, place.count, h.begin() + n);
    }
  });
}

void store_row(const host_row& row, std::span<const float> h, const row_bits* bits) {
  with_element(row.type(), [&]<class T>(T) {
    float encode_by = 1.0f;
    if constexpr (is_scaled_code<T>) {
      const float greatest = greatest_of(h);
      const row_scale scale =
          bits != nullptr ? scale_of<T, true>(greatest) : scale_of<T, false>(greatest);
      row.scale() = scale.decode;
      encode_by = scale.encode;
    }
    for (std::int64_t n = 0; n < row.dstate(); n += octet_size) {
      const octet_place<T> place{row, n};
      float octet[octet_size];
      copy_octet(h, n, octet);
      const philox_words random =
          bits != nullptr ? words_from(*bits, bits->first + n) : philox_words{};
      T element[octet_size];
      encode(octet, encode_by, bits != nullptr ? &random : nullptr, element);
      place.write(element);
    }
  });
}

}  // namespace ssugraph::detail
