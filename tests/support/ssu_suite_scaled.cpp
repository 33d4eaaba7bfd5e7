#include "tests/support/float_format.hpp"
#include "tests/support/model_case.hpp"
#include "tests/support/ssu_case.hpp"
#include "tests/support/ssu_suite.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

/** States of codes, with a scale for each row. */
namespace ssugraph::test {
namespace {

constexpr std::array modes{ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative};
constexpr std::array scaled{dtype::int8, dtype::int16, dtype::float8_e4m3};

/** Of a size that backends with compiled shapes serve, too. */
case_spec scaled_spec(dtype state, ssu_mode mode = ssu_mode::plain) {
  case_spec spec;
  spec.mode = mode;
  spec.batch = 4;
  spec.capacity = 5;
  spec.max_seqlen = mode == ssu_mode::plain ? 1 : 3;
  spec.has_cu_seqlens = mode != ssu_mode::plain;
  spec.nheads = 2;
  spec.ngroups = 1;
  spec.dim = 64;
  spec.dstate = 128;
  spec.state_dtype = state;
  spec.io_dtype = dtype::bfloat16;
  return spec;
}

ssu_case case_of(const case_spec& spec) {
  random_engine engine{base_seed()};
  return make_case(spec, engine);
}

/** Address of one element of a state, whose head axis may be left out. */
template <class Use>
void for_each_of_slot(const tensor_view& state, std::int64_t slot, Use use) {
  const tensor_view full = state.rank() == 4 ? state : state.with_unit_axis(1);
  for (std::int64_t head = 0; head < full.extent(1); ++head) {
    for (std::int64_t d = 0; d < full.extent(2); ++d) {
      for (std::int64_t n = 0; n < full.extent(3); ++n)
        use(address_of(full, slot, head, d, n));
    }
  }
}

TEST_P(ssu_suite, scaled_states_in_every_mode) {
  for (const dtype state : scaled) {
    for (const ssu_mode mode : modes) {
      for (const bool tied : {true, false}) {
        for (const bool rounding : {false, true}) {
          case_spec spec = scaled_spec(state, mode);
          spec.tied = tied;
          spec.stochastic_rounding = rounding;
          spec.has_dst = rounding == tied;
          spec.null_sequences = true;
          spec.has_z = !tied;
          const ssu_case test = case_of(spec);
          ASSERT_TRUE(agrees(test)) << test.name;
        }
      }
    }
  }
}

TEST_P(ssu_suite, scaled_states_beside_a_second_one) {
  for (const dtype state : scaled) {
    for (const ssu_mode mode : modes) {
      for (const bool has_dst : {true, false}) {
        case_spec spec = scaled_spec(state, mode);
        spec.dim = 16;
        spec.dstate = 32;
        spec.has_dst = has_dst;
        spec.has_dst_state = true;
        spec.null_sequences = true;
        spec.stochastic_rounding = !has_dst;
        const ssu_case test = case_of(spec);
        ASSERT_TRUE(agrees(test)) << test.name;
      }
    }
  }
}

/** Mamba-1's sizes and tensors, heads left out. */
TEST_P(ssu_suite, scaled_states_of_one_head) {
  for (const dtype state : scaled) {
    for (const ssu_mode mode : modes) {
      case_spec spec = scaled_spec(state, mode);
      spec.nheads = 1;
      spec.dim = 200;
      spec.dstate = 16;
      spec.tied = false;
      spec.has_z = true;
      spec.omit_axes = true;
      spec.stochastic_rounding = mode != ssu_mode::varlen;
      const ssu_case test = case_of(spec);
      ASSERT_TRUE(agrees(test)) << test.name;
    }
  }
}

TEST_P(ssu_suite, scales_behind_the_codes_of_their_slot) {
  for (const dtype state : scaled) {
    for (const ssu_mode mode : modes) {
      for (const bool aligned : {true, false}) {
        case_spec spec = scaled_spec(state, mode);
        spec.scale_in_slot = true;
        spec.aligned = aligned;
        spec.has_dst = mode == ssu_mode::plain;
        const ssu_case test = case_of(spec);
        ASSERT_TRUE(agrees(test)) << test.name;
      }
    }
  }
}

/** Neither whole octets nor whole words. */
TEST_P(ssu_suite, scaled_rows_of_any_length) {
  for (const dtype state : scaled) {
    for (const std::int64_t dstate : {1, 2, 7, 13, 40, 100, 251, 256}) {
      case_spec spec = scaled_spec(state);
      spec.dim = 5;
      spec.dstate = dstate;
      spec.aligned = dstate % 8 == 0;
      spec.stochastic_rounding = dstate % 2 == 1;
      const ssu_case test = case_of(spec);
      ASSERT_TRUE(agrees(test)) << test.name;
    }
  }
}

TEST_P(ssu_suite, a_scaled_slot_of_zero_bytes_is_a_fresh_one) {
  for (const dtype state : scaled) {
    for (const ssu_mode mode : modes) {
      ssu_case test = case_of(scaled_spec(state, mode));
      const ssu_args args = test.args_at(test.memory.data());
      for (std::int64_t slot = 0; slot < args.state.extent(0); ++slot) {
        for_each_of_slot(args.state, slot, [&](std::byte* code) { store(code, state, 0); });
        for_each_of_slot(args.state_scale.with_unit_axis(3), slot,
                         [](std::byte* scale) { store(scale, dtype::float32, 0); });
      }
      ASSERT_TRUE(agrees(test)) << test.name;
      // What nothing was added to stays a fresh one, whatever A is.
      for_each_of_slot(args.x.with_extent(0, test.live_rows).with_unit_axis(3), 0,
                       [&](std::byte* x) { store(x, args.x.dtype(), 0); });
      ASSERT_TRUE(agrees(test)) << test.name;
    }
  }
}

/** A NaN or an infinity spoils its own row alone, which reads back as NaN. */
TEST_P(ssu_suite, a_scaled_row_without_a_number_is_none) {
  if (GetParam().bits != rounding_bits::contract) GTEST_SKIP() << "it stores rows in its own way";
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (const dtype state : scaled) {
    for (const bool rounding : {false, true}) {
      for (const double bad : {std::numeric_limits<double>::quiet_NaN(), infinity, -infinity}) {
        case_spec spec = scaled_spec(state);
        spec.stochastic_rounding = rounding;
        ssu_case test = case_of(spec);
        const ssu_args args = test.args_at(test.memory.data());
        for (const auto& [i, head, d] : {std::array{0, 0, 3}, std::array{2, 1, 63}})
          store(address_of(args.x, i, head, d), args.x.dtype(), bad);
        ASSERT_TRUE(agrees(test)) << test.name << ' ' << bad;
        const tensor_view& indices = args.state_batch_indices;
        const std::int64_t slot =
            load_index(indices.rank() == 1 ? address_of(indices, 1) : address_of(indices, 1, 0),
                       indices.dtype());
        store(address_of(args.state_scale, slot, 1, 9), dtype::float32, bad);
        if (state == dtype::float8_e4m3) {
          *address_of(args.state, slot, 0, 8, 100) = std::byte{0x7f};  // which we never store
        }
        ASSERT_TRUE(agrees(test)) << test.name << ' ' << bad;
      }
    }
  }
}

/** What was stored is read: two calls, one after the other. */
TEST_P(ssu_suite, scaled_states_read_back_as_they_were_stored) {
  for (const dtype state : scaled) {
    case_spec spec = scaled_spec(state);
    ssu_case test = case_of(spec);
    const ssu_args args = test.args_at(test.memory.data());
    if (GetParam().bits == rounding_bits::contract)
      store(address_of(args.x, 1, 0, 5), args.x.dtype(), std::numeric_limits<double>::infinity());
    try {
      for (int step = 0; step < 4; ++step) {
        ASSERT_TRUE(agrees(test)) << test.name << " step " << step;
        test.memory = run_on_copy(test, GetParam());
      }
    } catch (const unsupported&) {  // which `agrees` has counted
      return;
    }
  }
}

/** Very small, very large, and as small as rows are zeros. */
TEST_P(ssu_suite, scaled_rows_of_any_size) {
  for (const dtype state : scaled) {
    for (const double size : {0x1p-110, 0x1p-99, 0x1p-60, 0x1p60, 0x1p100}) {
      case_spec spec = scaled_spec(state);
      spec.io_dtype = dtype::float32;
      spec.has_D = false;
      ssu_case test = case_of(spec);
      const ssu_args args = test.args_at(test.memory.data());
      const auto resize = [&](const tensor_view& tensor, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) {
          for_each_of_slot(tensor.with_unit_axis(3), i, [&](std::byte* value) {
            store(value, dtype::float32, load(value, dtype::float32) * size);
          });
        }
      };
      resize(args.x, test.live_rows);
      resize(args.state_scale, args.state_scale.extent(0));
      ASSERT_TRUE(agrees(test)) << test.name << ' ' << size;
    }
  }
}

}  // namespace
}  // namespace ssugraph::test
