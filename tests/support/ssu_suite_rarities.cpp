#include "tests/support/ssu_case.hpp"
#include "tests/support/ssu_suite.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <utility>

/** What few calls have: dtypes that differ, limits of dt, a second state, `out` on an input, dim
 *  innermost. */
namespace ssugraph::test {
namespace {

constexpr std::array modes{ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative};
constexpr std::array floats{dtype::float32, dtype::float16, dtype::bfloat16};
constexpr std::array states{dtype::float32, dtype::float16, dtype::bfloat16,
                            dtype::int8,    dtype::int16,   dtype::float8_e4m3};

case_spec small_spec(ssu_mode mode) {
  case_spec spec;
  spec.mode = mode;
  spec.batch = 4;
  spec.capacity = 5;
  spec.max_seqlen = mode == ssu_mode::plain ? 1 : 3;
  spec.has_cu_seqlens = mode != ssu_mode::plain;
  spec.nheads = 4;
  spec.ngroups = 2;
  spec.dim = 16;
  spec.dstate = 32;
  return spec;
}

ssu_case case_of(const case_spec& spec) {
  random_engine engine{base_seed()};
  return make_case(spec, engine);
}

TEST_P(ssu_suite, every_floating_tensor_may_have_a_dtype_of_its_own) {
  for (const dtype x : floats) {
    for (const dtype BC : floats) {
      for (const dtype out : floats) {
        case_spec spec = small_spec(modes[static_cast<std::size_t>(x)]);
        spec.state_dtype = dtype::bfloat16;
        spec.io_dtype = x;
        spec.B_dtype = spec.C_dtype = BC;
        spec.has_z = true;
        spec.z_dtype = spec.out_dtype = out;
        spec.dt_dtype = BC;
        const ssu_case test = case_of(spec);
        ASSERT_TRUE(agrees(test)) << test.name;
      }
    }
  }
}

TEST_P(ssu_suite, dt_may_have_limits) {
  constexpr float infinite = std::numeric_limits<float>::infinity();
  constexpr std::array limits{std::pair{0.05f, infinite}, std::pair{-infinite, 0.3f},
                              std::pair{0.2f, 0.2f}, std::pair{0.0f, 0.5f}};
  for (const auto& [dt_min, dt_max] : limits) {
    for (const ssu_mode mode : modes) {
      case_spec spec = small_spec(mode);
      spec.dt_min = dt_min;
      spec.dt_max = dt_max;
      spec.tied = mode != ssu_mode::varlen;
      spec.dt_softplus = mode != ssu_mode::speculative;
      const ssu_case test = case_of(spec);
      ASSERT_TRUE(agrees(test)) << test.name;
    }
  }
}

/** Where another state is written, sequences may read one slot, and one that others write. */
TEST_P(ssu_suite, sources_may_be_shared_beside_a_second_state) {
  for (const ssu_mode mode : modes) {
    for (const bool has_dst : {true, false}) {
      case_spec spec = small_spec(mode);
      spec.has_dst = has_dst;
      spec.has_dst_state = true;
      spec.null_sequences = true;
      spec.state_dtype = dtype::float16;
      spec.stochastic_rounding = has_dst;
      const ssu_case test = case_of(spec);
      ASSERT_TRUE(agrees(test)) << test.name;
    }
  }
}

TEST_P(ssu_suite, out_may_be_x_or_z) {
  for (const ssu_mode mode : modes) {
    for (const out_place place : {out_place::on_x, out_place::on_z}) {
      for (const bool tied : {true, false}) {
        case_spec spec = small_spec(mode);
        spec.has_z = true;
        spec.out = place;
        spec.tied = tied;
        spec.null_sequences = true;
        const ssu_case test = case_of(spec);
        ASSERT_TRUE(agrees(test)) << test.name;
      }
    }
  }
}

TEST_P(ssu_suite, dim_may_be_innermost) {
  constexpr std::array shapes{std::pair{64, 128}, std::pair{80, 128}, std::pair{64, 256},
                              std::pair{64, 64},  std::pair{24, 16},  std::pair{136, 32}};
  for (const auto& [dim, dstate] : shapes) {
    for (const ssu_mode mode : modes) {
      for (const dtype state : states) {
        case_spec spec = small_spec(mode);
        spec.dim = dim;
        spec.dstate = dstate;
        spec.state_dtype = state;
        spec.io_dtype = is_scaled(state) ? dtype::bfloat16 : state;
        spec.dim_innermost = true;
        spec.tied = dstate != 16 && dstate != 32;
        spec.has_dst = true;
        spec.stochastic_rounding = state == dtype::bfloat16 || state == dtype::int8;
        const ssu_case test = case_of(spec);
        ASSERT_TRUE(agrees(test)) << test.name;
      }
    }
  }
}

}  // namespace
}  // namespace ssugraph::test
