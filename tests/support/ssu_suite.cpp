#include "tests/support/ssu_suite.hpp"

#include "tests/support/compare.hpp"
#include "tests/support/float_format.hpp"
#include "tests/support/model_case.hpp"

#include <array>
#include <tuple>
#include <utility>
#include <vector>

namespace ssugraph::test {
namespace {

/** A random case that a seed reproduces. */
ssu_case reproducible_case(const case_spec& spec) {
  random_engine engine{base_seed()};
  return make_case(spec, engine);
}

std::string reproduce(std::uint64_t seed) {
  return "reproduce with SSUGRAPH_TEST_CASES=1 SSUGRAPH_TEST_SEED=" + std::to_string(seed);
}

case_spec spec_of(ssu_mode mode) {
  case_spec spec;
  spec.mode = mode;
  spec.batch = 5;
  spec.capacity = 7;
  spec.max_seqlen = mode == ssu_mode::plain ? 1 : 4;
  spec.has_cu_seqlens = mode != ssu_mode::plain;
  spec.nheads = 4;
  spec.ngroups = 2;
  spec.dim = 24;
  spec.dstate = 32;
  return spec;
}

TEST_P(ssu_suite, random_cases_agree_with_float64) {
  for (int i = 0; i < case_count(300); ++i) {
    const std::uint64_t seed = base_seed() + static_cast<std::uint64_t>(i);
    random_engine engine{seed};
    const ssu_case test = make_case(random_spec(engine), engine);
    SCOPED_TRACE(test.name + "; " + reproduce(seed));
    ASSERT_TRUE(agrees(test));
  }
}

/** A spec of what backends with compiled shapes serve: a model's sizes and dtypes. */
case_spec model_spec(random_engine& engine) {
  constexpr std::array shapes{std::pair{64, 128}, std::pair{64, 128}, std::pair{64, 128},
                              std::pair{80, 128}, std::pair{64, 64},  std::pair{64, 256},
                              std::pair{128, 256}};
  case_spec spec = random_spec(engine);
  spec.B_dtype = spec.C_dtype = spec.z_dtype = spec.out_dtype = std::nullopt;
  spec.has_dst_state = false;
  const auto [dim, dstate] = shapes[static_cast<std::size_t>(pick(engine, 0, shapes.size() - 1))];
  spec.dim = dim;
  spec.dstate = dstate;
  spec.ngroups = pick(engine, 1, 2);
  spec.nheads = spec.ngroups * (std::int64_t{1} << pick(engine, 0, 2));
  spec.capacity = spec.batch;
  spec.tied = true;
  spec.io_dtype = dtype::bfloat16;
  spec.A_dtype = dtype::float32;
  spec.dt_dtype = spec.D_dtype = spec.dt_bias_dtype =
      chance(engine, 0.5) ? dtype::bfloat16 : dtype::float32;
  spec.index_dtype = spec.count_dtype = dtype::int32;
  spec.has_dst = spec.has_dst && spec.has_indices;
  if (spec.mode != ssu_mode::plain) spec.max_seqlen = 2 * pick(engine, 1, 2);
  spec.has_cu_seqlens = spec.mode != ssu_mode::plain;
  if (spec.stochastic_rounding && chance(engine, 0.8)) spec.philox_rounds = 0;
  return spec;
}

TEST_P(ssu_suite, random_cases_of_models_agree_with_float64) {
  for (int i = 0; i < case_count(100); ++i) {
    const std::uint64_t seed = base_seed() + static_cast<std::uint64_t>(i);
    random_engine engine{seed};
    const case_spec spec = model_spec(engine);
    const ssu_case test = model_case(spec, engine);
    SCOPED_TRACE(test.name + "; " + reproduce(seed));
    ASSERT_TRUE(agrees(test));
  }
}

TEST_P(ssu_suite, shapes_of_models) {
  using shape = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t, bool>;
  const std::vector<shape> shapes{{16, 64, 128, 8, true}, {8, 80, 128, 8, true},
                                  {8, 64, 64, 1, true},   {4, 64, 256, 2, true},
                                  {4, 128, 256, 2, true}, {1, 2048, 16, 1, false}};
  for (const auto& [nheads, dim, dstate, ngroups, tied] : shapes) {
    for (const dtype state : {dtype::float32, dtype::bfloat16, dtype::float16, dtype::int16,
                              dtype::int8, dtype::float8_e4m3}) {
      case_spec spec = spec_of(ssu_mode::plain);
      std::tie(spec.nheads, spec.dim, spec.dstate, spec.ngroups, spec.tied) =
          std::tie(nheads, dim, dstate, ngroups, tied);
      spec.state_dtype = state;
      spec.io_dtype = dtype::bfloat16;
      spec.has_z = !tied;
      spec.omit_axes = true;
      const ssu_case test = reproducible_case(spec);
      SCOPED_TRACE(test.name);
      ASSERT_TRUE(agrees(test));
    }
  }
}

TEST_P(ssu_suite, null_sequences_and_destinations) {
  for (const ssu_mode mode : {ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative}) {
    for (const bool has_dst : {false, true}) {
      case_spec spec = spec_of(mode);
      spec.has_dst = has_dst;
      spec.null_sequences = true;
      spec.state_dtype = dtype::bfloat16;
      const ssu_case test = reproducible_case(spec);
      SCOPED_TRACE(test.name);
      ASSERT_TRUE(agrees(test));
    }
  }
}

/** Writes column 0 of the destinations of the first sequences. */
void set_destinations(ssu_case& test, const std::vector<std::int64_t>& slots) {
  const tensor_view table = test.args_at(test.memory.data()).dst_state_batch_indices;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    std::byte* address = table.rank() == 1 ? address_of(table, i) : address_of(table, i, 0);
    store_index(address, table.dtype(), slots[i]);
  }
}

TEST_P(ssu_suite, destinations_without_sources) {
  for (const ssu_mode mode : {ssu_mode::plain, ssu_mode::varlen}) {
    for (const dtype index : {dtype::int32, dtype::int64}) {
      for (const std::int64_t null : {0, 3, -1}) {
        case_spec spec = spec_of(mode);
        spec.dim = 64;
        spec.dstate = 128;
        spec.io_dtype = spec.state_dtype = dtype::bfloat16;
        spec.has_dst = true;
        spec.index_dtype = index;
        spec.null_block_id = null;
        ssu_case test = reproducible_case(spec);
        test.layout.state_batch_indices = {};
        // Sequence i reads slot i, the null block's, too. In place, there if that is a slot's; on
        // their own; nowhere.
        set_destinations(test, {0, 1, 8, 9, null});
        SCOPED_TRACE(test.name);
        ASSERT_TRUE(agrees(test));
      }
    }
  }
}

TEST_P(ssu_suite, null_destinations_alone_are_for_the_output_only) {
  for (const ssu_mode mode : {ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative}) {
    for (const std::int64_t null : {0, -1}) {
      case_spec spec = spec_of(mode);
      spec.dim = 64;
      spec.dstate = 128;
      spec.io_dtype = spec.state_dtype = dtype::bfloat16;
      spec.has_dst = true;
      spec.null_block_id = null;
      ssu_case test = reproducible_case(spec);
      const tensor_view table = test.args_at(test.memory.data()).dst_state_batch_indices;
      for (std::int64_t i = 0; i < table.extent(0); ++i) {
        for (std::int64_t t = 0; t < (table.rank() == 1 ? 1 : table.extent(1)); ++t) {
          std::byte* address = table.rank() == 1 ? address_of(table, i) : address_of(table, i, t);
          store_index(address, table.dtype(), null);
        }
      }
      SCOPED_TRACE(test.name);
      ASSERT_TRUE(agrees(test));
    }
  }
}

TEST_P(ssu_suite, a_null_id_may_be_wider_than_the_indices) {
  case_spec spec = spec_of(ssu_mode::plain);
  const ssu_case narrow = reproducible_case(spec);
  for (const std::int64_t id : {std::int64_t{1} << 32, (std::int64_t{1} << 40) + 3}) {
    ssu_case test = narrow;
    test.layout.null_block_id = id;
    EXPECT_TRUE(agrees(test)) << id;
  }
}

TEST_P(ssu_suite, nothing_happens_to_an_all_null_batch) {
  case_spec spec = spec_of(ssu_mode::plain);
  ssu_case test = reproducible_case(spec);
  const tensor_view indices = test.args_at(test.memory.data()).state_batch_indices;
  for (std::int64_t i = 0; i < test.batch; ++i) {
    const tensor_view column =
        indices.rank() == 2 ? without_axis(indices.with_extent(1, 1), 1) : indices;
    store_index(address_of(column, i), indices.dtype(), spec.null_block_id);
  }
  const ssu_args args = first_sequences(test.args_at(test.memory.data()), test.batch);
  EXPECT_TRUE(ssu_oracle(args, test.config, test.seed()).state.elements.empty());
  EXPECT_TRUE(agrees(test));
}

TEST_P(ssu_suite, rounding_consumes_the_bits_of_the_contract) {
  for (const ssu_mode mode : {ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative}) {
    for (const dtype state : {dtype::float16, dtype::bfloat16}) {
      case_spec spec = spec_of(mode);
      spec.state_dtype = state;
      spec.stochastic_rounding = true;
      spec.has_dst = true;
      spec.philox_rounds = mode == ssu_mode::varlen ? 7 : 0;
      const ssu_case test = reproducible_case(spec);
      SCOPED_TRACE(test.name);
      ASSERT_TRUE(agrees(test));
    }
  }
}

TEST_P(ssu_suite, more_sequences_than_a_16_bit_grid_holds) {
  case_spec spec = spec_of(ssu_mode::plain);
  spec.batch = 70'000;
  spec.capacity = 70'001;
  spec.nheads = 1;
  spec.ngroups = 1;
  spec.dim = 1;
  spec.dstate = 8;
  EXPECT_TRUE(agrees(reproducible_case(spec)));
}

TEST_P(ssu_suite, one_long_sequence_beside_short_ones) {
  case_spec spec = spec_of(ssu_mode::varlen);
  spec.max_seqlen = 300;
  spec.batch = 2;
  spec.capacity = 2;
  spec.dim = 16;
  spec.dstate = 16;
  const ssu_case test = reproducible_case(spec);
  EXPECT_TRUE(agrees(test));
}

}  // namespace
}  // namespace ssugraph::test
