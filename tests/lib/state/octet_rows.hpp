#pragma once

#include "lib/core/host_device.hpp"
#include "lib/random/philox.hpp"
#include "lib/state/scaled.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <type_traits>

/** Rows of every kind, eight elements of each, and what the codec stores of them: the same on the
 *  CPU and on a GPU. */
namespace ssugraph::test {

struct octet_row {
  float h[detail::octet_size];
  float elsewhere;  ///< the greatest magnitude of what else the row has
  detail::philox_words random;
};

template <class Code>
struct encoded_octet {
  detail::row_scale scale;
  detail::row_scale stochastic_scale;
  std::uint32_t nearest[detail::words_of_octet<Code>];
  std::uint32_t stochastic[detail::words_of_octet<Code>];
};

template <class Code>
SSUGRAPH_HOST_DEVICE encoded_octet<Code> encoded(const octet_row& row) {
  encoded_octet<Code> result;
  const float greatest = detail::greater_magnitude(detail::greatest_of(row.h), row.elsewhere);
  result.scale = detail::scale_of<Code, false>(greatest);
  result.stochastic_scale = detail::scale_of<Code, true>(greatest);
  detail::encode_octet<Code>(row.h, result.scale.encode, result.nearest);
  detail::encode_octet<Code>(row.h, result.stochastic_scale.encode, row.random, result.stochastic);
  return result;
}

/** Of typed tests: every code, and its name. */
using scaled_codes = testing::Types<std::int8_t, std::int16_t, detail::float8_e4m3>;

struct scaled_code_names {
  template <class Code>
  static std::string GetName(int) {
    return std::is_same_v<Code, std::int8_t>    ? "int8"
           : std::is_same_v<Code, std::int16_t> ? "int16"
                                                : "float8_e4m3";
  }
};

/** Row `index` of an endless list in which all kinds alternate. `greatest_code` is QMAX. */
[[nodiscard]] octet_row row_of_every_kind(std::uint64_t index, float greatest_code);

}  // namespace ssugraph::test
