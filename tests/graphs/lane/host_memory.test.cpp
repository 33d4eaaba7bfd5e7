#include "tests/graphs/replay.hpp"
#include "tests/support/few_allocations.hpp"
#include "tests/support/float_format.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/** What the CPU's backend takes of the host's memory: states of those that have one to update. */
namespace ssugraph::test {
namespace {

constexpr std::int32_t bucket = 512;
constexpr std::int64_t dim = 256;
constexpr std::int64_t dstate = 16;
constexpr std::size_t state_bytes = dim * dstate * sizeof(float);
/** For what a call has of every sequence, and for what grows by doubling. */
constexpr std::size_t bytes_a_sequence = 256;

/** A Mamba-1 layer. */
case_spec spec_of(ssu_mode mode, std::int64_t batch) {
  case_spec spec;
  spec.mode = mode;
  spec.has_cu_seqlens = mode == ssu_mode::varlen;
  spec.has_dst = mode == ssu_mode::speculative;
  spec.max_seqlen = mode == ssu_mode::plain ? 1 : 2;
  spec.batch = batch;
  spec.capacity = bucket;
  spec.nheads = 1;
  spec.dim = dim;
  spec.dstate = dstate;
  spec.tied = false;
  return spec;
}

TEST(host_memory, of_a_replay_is_that_of_the_live_sequences) {
  for (const ssu_mode mode : {ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative}) {
    const std::vector<ssu_case> layer = make_layers(spec_of(mode, 2), 1);
    model padded{target::host, layer, false};
    model exact{target::host, layer, false};
    lane in_a_large_bucket = padded.build(bucket_policy{{bucket}}).make_lane(nullptr);
    lane in_its_own = exact.build(bucket_policy{{2, bucket}}).make_lane(nullptr);
    const std::size_t before = allocated_bytes();
    in_a_large_bucket.replay(2, nullptr);
    EXPECT_LE(allocated_bytes() - before, 2 * state_bytes + bucket * bytes_a_sequence);
    in_its_own.replay(2, nullptr);
    const auto states = [](const model& of) {
      const tensor_view& state = of.args(0).state;
      return std::string(static_cast<const char*>(state.data()),
                         static_cast<std::size_t>(state.size()) * sizeof(float));
    };
    EXPECT_TRUE(states(padded) == states(exact));
  }
}

TEST(host_memory, of_a_call_leaves_out_null_and_empty_sequences) {
  for (const bool null : {true, false}) {
    ssu_case test = make_layers(spec_of(ssu_mode::varlen, bucket), 1).front();
    const ssu_args args = test.args_at(test.memory.data());
    const tensor_view& indices = args.state_batch_indices;
    const tensor_view& cu = args.cu_seqlens;
    // All but the first one.
    const std::int64_t end = load_index(address_of(cu, 1), cu.dtype());
    for (std::int64_t i = 1; i < bucket; ++i) {
      if (null) store_index(address_of(indices, i), indices.dtype(), args.null_block_id);
      if (!null) store_index(address_of(cu, i + 1), cu.dtype(), end);
    }
    ssu_dispatch dispatch{{.backend = "reference"}};
    const std::size_t before = allocated_bytes();
    dispatch.selective_state_update(args, nullptr);
    EXPECT_LE(allocated_bytes() - before, state_bytes + bucket * bytes_a_sequence);
  }
}

}  // namespace
}  // namespace ssugraph::test
