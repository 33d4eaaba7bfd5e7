#include "lib/state/float16.hpp"

#include "tests/support/float_format.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>

#if SSUGRAPH_CUDA
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

namespace ssugraph::test {
namespace {

struct conversion {
  const char* name;
  dtype type;
  float (*widen)(std::uint16_t);
  std::uint16_t (*narrow)(float);
  float (*cuda_widen)(std::uint16_t);  ///< null without CUDA
  std::uint16_t (*cuda_narrow)(float);
};

std::ostream& operator<<(std::ostream& stream, const conversion& c) {
  return stream << c.name;
}

conversion fp16() {
  conversion c{"fp16",
               dtype::float16,
               [](std::uint16_t bits) { return detail::to_float(detail::float16{bits}); },
               [](float value) { return detail::from_float<detail::float16>(value).bits; },
               nullptr,
               nullptr};
#if SSUGRAPH_CUDA
  c.cuda_widen = [](std::uint16_t bits) { return __half2float(std::bit_cast<__half>(bits)); };
  c.cuda_narrow = [](float value) { return std::bit_cast<std::uint16_t>(__float2half_rn(value)); };
#endif
  return c;
}

conversion bf16() {
  conversion c{"bf16",
               dtype::bfloat16,
               [](std::uint16_t bits) { return detail::to_float(detail::bfloat16{bits}); },
               [](float value) { return detail::from_float<detail::bfloat16>(value).bits; },
               nullptr,
               nullptr};
#if SSUGRAPH_CUDA
  c.cuda_widen = [](std::uint16_t bits) {
    return __bfloat162float(std::bit_cast<__nv_bfloat16>(bits));
  };
  c.cuda_narrow = [](float value) {
    return std::bit_cast<std::uint16_t>(__float2bfloat16_rn(value));
  };
#endif
  return c;
}

class float16_conversion : public testing::TestWithParam<conversion> {
 protected:
  /** The float's conversion against float64 arithmetic and, where there is CUDA, its headers. */
  void expect_narrow(float value) {
    const conversion& c = GetParam();
    const std::uint16_t got = c.narrow(value);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(c.widen(got))) << std::bit_cast<std::uint32_t>(value);
      return;
    }
    ASSERT_EQ(got, format_of(c.type).encode(value)) << std::bit_cast<std::uint32_t>(value);
    if (c.cuda_narrow == nullptr) return;
    ASSERT_EQ(got, c.cuda_narrow(value));
  }
};

TEST_P(float16_conversion, widens_every_value) {
  const conversion& c = GetParam();
  for (std::uint32_t i = 0; i <= 0xffff; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const double expected = format_of(c.type).decode(bits);
    const float got = c.widen(bits);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(got)) << bits;
      continue;
    }
    ASSERT_EQ(std::bit_cast<std::uint32_t>(got),
              std::bit_cast<std::uint32_t>(static_cast<float>(expected)))
        << bits;
    if (c.cuda_widen != nullptr) {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(got),
                std::bit_cast<std::uint32_t>(c.cuda_widen(bits)));
    }
  }
}

TEST_P(float16_conversion, narrows_every_value_and_around_every_midpoint) {
  const conversion& c = GetParam();
  for (std::uint32_t i = 0; i <= 0xffff; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const float value = c.widen(bits);
    ASSERT_NO_FATAL_FAILURE(expect_narrow(value));
    if (!std::isfinite(value)) continue;
    const double spacing = format_of(c.type).spacing(value);
    const auto middle = static_cast<float>(value + std::copysign(spacing / 2, value));
    constexpr float outwards = std::numeric_limits<float>::infinity();
    for (const float near : {middle, std::nextafter(middle, outwards),
                             std::nextafter(middle, -outwards), std::nextafter(value, outwards)}) {
      ASSERT_NO_FATAL_FAILURE(expect_narrow(near));
    }
  }
}

TEST_P(float16_conversion, narrows_a_sample_of_all_floats) {
  constexpr std::uint32_t prime = 4093;
  for (std::uint64_t bits = 0; bits <= 0xffffffffu; bits += prime) {
    ASSERT_NO_FATAL_FAILURE(expect_narrow(std::bit_cast<float>(static_cast<std::uint32_t>(bits))));
  }
}

INSTANTIATE_TEST_SUITE_P(, float16_conversion, testing::Values(fp16(), bf16()),
                         [](const auto& info) { return std::string{info.param.name}; });

}  // namespace
}  // namespace ssugraph::test
