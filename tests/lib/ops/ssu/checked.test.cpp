#include "tests/support/device.hpp"
#include "tests/support/execution.hpp"
#include "tests/support/float_format.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <functional>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <vector>

/** Checked eager calls: whoever breaks a promise hears of it before anything ran. */
namespace ssugraph::test {
namespace {

constexpr std::int64_t sequences = 6;
constexpr std::int64_t tokens = 3;

case_spec spec_of(ssu_mode mode, bool has_dst, dtype index_dtype = dtype::int32) {
  case_spec spec;
  spec.mode = mode;
  spec.has_dst = has_dst;
  spec.has_cu_seqlens = mode != ssu_mode::plain;
  spec.max_seqlen = mode == ssu_mode::plain ? 1 : tokens;
  spec.batch = sequences;
  spec.capacity = sequences;
  spec.index_dtype = index_dtype;
  spec.count_dtype = index_dtype;
  return spec;
}

/** The contents of index and count tensors. */
struct promises {
  std::vector<std::vector<std::int64_t>> indices;
  std::vector<std::vector<std::int64_t>> dst;
  std::vector<std::int64_t> accepted;
  std::vector<std::int64_t> cu;
};

/** Full lengths, slots in order. */
promises kept(const case_spec& spec) {
  promises all;
  std::int64_t next = 1;
  for (auto* table : {&all.indices, &all.dst}) {
    for (std::int64_t i = 0; i < sequences; ++i) {
      const bool by_token = spec.mode == ssu_mode::speculative;
      std::vector<std::int64_t>& row = table->emplace_back(by_token ? tokens : 1);
      std::iota(row.begin(), row.end(), next);
      next += static_cast<std::int64_t>(row.size());
    }
  }
  for (std::int64_t i = 0; i <= sequences; ++i) {
    all.accepted.push_back(1);
    all.cu.push_back(i * spec.max_seqlen);
  }
  return all;
}

void write(const tensor_view& tensor, std::int64_t i, std::int64_t column, std::int64_t value) {
  if (!tensor || i >= tensor.extent(0)) return;
  std::byte* address = tensor.rank() == 1 ? address_of(tensor, i) : address_of(tensor, i, column);
  store_index(address, tensor.dtype(), value);
}

/** `test` with these contents. */
ssu_case with(ssu_case test, const promises& all) {
  const ssu_args args = test.args_at(test.memory.data());
  for (std::size_t i = 0; i <= sequences; ++i) {
    const auto row = static_cast<std::int64_t>(i);
    write(args.cu_seqlens, row, 0, all.cu[i]);
    if (i == sequences) break;
    write(args.num_accepted_tokens, row, 0, all.accepted[i]);
    for (std::size_t t = 0; t < all.indices[i].size(); ++t) {
      const auto column = static_cast<std::int64_t>(t);
      write(args.state_batch_indices, row, column, all.indices[i][t]);
      write(args.dst_state_batch_indices, row, column, all.dst[i][t]);
    }
  }
  return test;
}

/** One way to break a promise, and the tensor that is to blame. */
struct breach {
  const char* argument;
  std::function<void(promises&, std::int64_t slots)> commit;
};

class checked_calls : public testing::TestWithParam<place> {
 protected:
  void SetUp() override {
    if (GetParam() == place::device && !has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  }

  [[nodiscard]] static std::string backend() {
    return GetParam() == place::host ? "reference" : "native";
  }

  /** The argument that a checked call of `args` refuses; empty: none. */
  static std::string refused(const ssu_args& args, mamba_config config = {}) {
    const placed_stream stream{GetParam()};
    config.backend = backend();
    ssu_dispatch dispatch{config, 1, {.checked = true}};
    try {
      dispatch.selective_state_update(args, stream.get());
    } catch (const invalid_argument& error) {
      EXPECT_FALSE(error.expected().empty());
      EXPECT_FALSE(error.came().empty());
      EXPECT_EQ(dispatch.random_state().next_draw, 0u);
      return error.argument();
    }
    stream.wait();
    return {};
  }

  void expect_refused(const case_spec& spec, const std::vector<breach>& breaches) {
    random_engine engine{base_seed()};
    const ssu_case test = make_case(spec, engine);
    for (const breach& breach : breaches) {
      SCOPED_TRACE(breach.argument + (" with " + to_string(spec)));
      promises broken = kept(spec);
      EXPECT_EQ(refused_in(with(test, broken)), "");
      breach.commit(broken, test.layout.state.extent(0));
      EXPECT_EQ(refused_in(with(test, broken)), breach.argument);
    }
  }

  /** The same of a case, which a refused call leaves as it was. */
  static std::string refused_in(const ssu_case& test) {
    const placed_memory memory{GetParam(), test.memory};
    const std::string argument =
        refused(first_sequences(test.args_at(memory.data()), sequences), test.config);
    EXPECT_EQ(memory.read_all() == test.memory, !argument.empty());
    return argument;
  }
};

TEST_P(checked_calls, name_a_slot_that_breaks_a_promise) {
  const std::vector<breach> in_place{
      {"state_batch_indices[2]", [](promises& p, auto) { p.indices[2] = p.indices[0]; }},
      {"state_batch_indices[3]", [](promises& p, auto slots) { p.indices[3][0] = slots; }},
      {"state_batch_indices[1]", [](promises& p, auto) { p.indices[1][0] = -2; }},
  };
  const std::vector<breach> elsewhere{
      {"dst_state_batch_indices[3]", [](promises& p, auto) { p.dst[3] = p.dst[1]; }},
      {"dst_state_batch_indices[2]", [](promises& p, auto) { p.dst[2] = p.indices[0]; }},
      {"state_batch_indices[2]", [](promises& p, auto) { p.dst[0] = p.indices[2]; }},
      {"dst_state_batch_indices[1]", [](promises& p, auto slots) { p.dst[1][0] = slots; }},
  };
  for (const ssu_mode mode : {ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative}) {
    expect_refused(spec_of(mode, false, dtype::int64), in_place);
    expect_refused(spec_of(mode, true), elsewhere);
  }
}

TEST_P(checked_calls, name_a_sequence_whose_length_breaks_a_promise) {
  const std::vector<breach> breaches{
      {"cu_seqlens[0]", [](promises& p, auto) { p.cu = {-1, 1, 3, 4, 6, 8, 9}; }},
      {"cu_seqlens[1]", [](promises& p, auto) { p.cu = {0, 2, 1, 3, 4, 6, 8}; }},
      {"cu_seqlens[2]", [](promises& p, auto) { p.cu = {0, 2, 3, 7, 8, 9, 10}; }},
  };
  expect_refused(spec_of(ssu_mode::varlen, false), breaches);
  expect_refused(spec_of(ssu_mode::speculative, true, dtype::int64), breaches);
  case_spec without_indices = spec_of(ssu_mode::varlen, false);
  without_indices.has_indices = false;
  expect_refused(without_indices, breaches);
}

TEST_P(checked_calls, name_what_breaks_a_promise_of_speculative_calls) {
  expect_refused(
      spec_of(ssu_mode::speculative, true),
      {{"num_accepted_tokens[1]", [](promises& p, auto) { p.accepted[1] = -1; }},
       {"num_accepted_tokens[1]", [](promises& p, auto) { p.accepted[1] = tokens + 1; }},
       {"dst_state_batch_indices[3]", [](promises& p, auto) { p.dst[3][1] = p.dst[2][2]; }}});
}

TEST_P(checked_calls, of_destinations_without_sources) {
  case_spec spec = spec_of(ssu_mode::plain, true);
  random_engine engine{base_seed()};
  promises all = kept(spec);
  all.dst[1] = {0};
  all.dst[2] = {2};
  ssu_case test = with(make_case(spec, engine), all);
  test.layout.state_batch_indices = {};
  EXPECT_EQ(refused_in(test), "") << "slot 0 is the null block, as a destination";
  test.layout.null_block_id = -1;
  EXPECT_EQ(refused_in(test), "dst_state_batch_indices[1]") << "sequence 0 reads slot 0";
}

TEST_P(checked_calls, have_nothing_to_say_of_promises_that_are_kept) {
  random_engine engine{base_seed()};
  const execution unchecked = GetParam() == place::host ? reference_eager() : native_eager();
  for (int i = 0; i < case_count(60); ++i) {
    case_spec spec = random_spec(engine);
    spec.null_sequences = false;  // among whose slots are some that do not exist
    SCOPED_TRACE(to_string(spec));
    const ssu_case test = make_case(spec, engine);
    const placed_memory memory{GetParam(), test.memory};
    EXPECT_EQ(refused(first_sequences(test.args_at(memory.data()), test.batch), test.config), "");
    EXPECT_EQ(memory.read_all(), run_on_copy(test, unchecked));
  }
}

TEST_P(checked_calls, are_those_that_ask_for_it) {
  case_spec spec = spec_of(ssu_mode::plain, false);
  random_engine engine{base_seed()};
  promises broken = kept(spec);
  broken.indices[1][0] = 1'000'000;
  const ssu_case test = with(make_case(spec, engine), broken);
  const placed_memory memory{GetParam(), test.memory};
  const placed_stream stream{GetParam()};
  ssu_dispatch dispatch{{.backend = backend()}, 0, {.checked = false}};
  dispatch.selective_state_update(test.args_at(memory.data()), stream.get());
  stream.wait();
  EXPECT_NE(memory.read_all(), test.memory);
}

TEST_P(checked_calls, refuse_tensors_past_the_end_of_their_memory) {
  if (GetParam() == place::host) GTEST_SKIP() << "nobody can tell of host memory";
  random_engine engine{base_seed()};
  const ssu_case test = make_case({}, engine);
  const placed_memory memory{place::device, test.memory};
  ssu_args args = first_sequences(test.args_at(memory.data()), test.batch);
  constexpr std::size_t bytes = 4 << 20;
  const placed_memory short_of_x{place::device, bytes};
  args.x = {short_of_x.data() + bytes - 256, dtype::float32, args.x.extents()};
  EXPECT_EQ(refused(args), "x");
}

INSTANTIATE_TEST_SUITE_P(, checked_calls, testing::Values(place::host, place::device),
                         [](const auto& info) {
                           return info.param == place::host ? "host" : "cuda";
                         });

}  // namespace
}  // namespace ssugraph::test
