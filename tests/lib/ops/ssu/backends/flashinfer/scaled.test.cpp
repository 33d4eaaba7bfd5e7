#include "tests/support/compare.hpp"
#include "tests/support/execution.hpp"
#include "tests/support/float_format.hpp"
#include "tests/support/model_case.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <ostream>
#include <set>
#include <string>
#include <vector>

/**
 * int16 states by FlashInfer's kernels, which round by themselves. A case has an fp32 state whose
 * values codes and scales hold exactly; the float64 evaluation of that one is what is expected.
 */
namespace ssugraph::test {
namespace {

struct scaled_run {
  std::string name;
  std::string algorithm;
  case_spec spec;
};

std::ostream& operator<<(std::ostream& stream, const scaled_run& run) {
  return stream << run.name;
}

case_spec model_spec(void (*change)(case_spec&) = [](case_spec&) {}) {
  case_spec spec;
  spec.batch = spec.capacity = 5;
  spec.nheads = 4;
  spec.dim = 64;
  spec.dstate = 128;
  spec.ngroups = 2;
  spec.io_dtype = dtype::bfloat16;
  change(spec);
  return spec;
}

std::vector<scaled_run> scaled_runs() {
  const case_spec nulls = model_spec([](case_spec& s) {
    s.has_z = true;
    s.null_sequences = true;
  });
  const case_spec ungrouped = model_spec(
      [](case_spec& s) { s.has_indices = s.has_D = s.has_dt_bias = s.dt_softplus = false; });
  const case_spec full = model_spec([](case_spec& s) { s.batch = s.capacity = 80; });
  const case_spec nulls_elsewhere = model_spec([](case_spec& s) {
    s.null_sequences = true;
    s.null_block_id = -1;
  });
  const case_spec destinations = model_spec([](case_spec& s) {
    s.has_dst = true;
    s.null_sequences = true;
  });
  const case_spec speculative = model_spec([](case_spec& s) {
    s.mode = ssu_mode::speculative;
    s.max_seqlen = 3;
    s.null_sequences = true;
  });
  return {
      {"simple", "simple", model_spec()},
      {"vertical", "vertical", model_spec()},
      {"simple_nulls", "simple", nulls},
      {"vertical_nulls", "vertical", nulls},
      {"simple_no_indices", "simple", ungrouped},
      {"vertical_no_indices", "vertical", ungrouped},
      {"simple_full", "simple", full},
      {"auto_full", "auto", full},
      {"nulls_elsewhere", "auto", nulls_elsewhere},
      {"destinations", "auto", destinations},
      {"speculative_one_token", "auto", speculative},
  };
}

/** Codes, and their scales behind them in each slot, of an fp32 state. */
class scaled_state {
 public:
  explicit scaled_state(const tensor_view& like) : rows_{like.extent(1) * like.extent(2)} {
    const auto [slots, nheads, dim, dstate] =
        std::array{like.extent(0), like.extent(1), like.extent(2), like.extent(3)};
    const std::int64_t codes = rows_ * dstate;
    const std::int64_t slot = codes + 2 * rows_;
    const tensor_view all = layout_.add(dtype::int16, {slots, slot});
    codes_ = {
        all.data(), dtype::int16, {slots, nheads, dim, dstate}, {slot, dim * dstate, dstate, 1}};
    scales_ = {static_cast<std::byte*>(all.data()) + codes * size_of(dtype::int16),
               dtype::float32,
               {slots, nheads, dim},
               {slot / 2, dim, 1}};
    memory = arena{layout_.bytes()};
  }

  /** Encodes `state`, and makes it what the codes say. The slot `fresh` is of zero bytes. */
  void take(const tensor_view& state, std::int64_t fresh) {
    for (std::int64_t i = 0; i < state.extent(0) * rows_; ++i) {
      const row at = row_of(i);
      const double greatest = at.slot == fresh ? 0 : greatest_of(state, at);
      const auto scale = static_cast<float>(greatest / 32767);
      store(scale_of(memory, at), dtype::float32, scale);
      for (std::int64_t n = 0; n < state.extent(3); ++n) {
        std::byte* h = address_of(state, at.slot, at.head, at.d, n);
        const auto code = static_cast<std::int16_t>(
            scale == 0 ? 0 : std::lrint(load(h, dtype::float32) / double{scale}));
        *code_of(memory, at, n) = code;
        store(h, dtype::float32, static_cast<float>(code) * scale);
      }
    }
  }

  void bind(ssu_args& args, std::byte* base) const {
    args.state = codes_.at(base + reinterpret_cast<std::uintptr_t>(codes_.data()));
    args.state_scale = scales_.at(base + reinterpret_cast<std::uintptr_t>(scales_.data()));
  }

  /** Whether `after` has what is expected of `state` to half a unit, and else what it had. */
  [[nodiscard]] testing::AssertionResult agrees(arena after, const expected_tensor& expected,
                                                const tensor_view& state) {
    const double slack = relative_tolerance * largest_of(expected);
    std::set<std::int64_t> written;
    for (const expected_element& element : expected.elements) {
      const std::int64_t e = (element.address - static_cast<std::byte*>(state.data())) / 4;
      const row at = row_of(e / state.extent(3));
      const double scale = load(scale_of(after, at), dtype::float32);
      const double got = scale * *code_of(after, at, e % state.extent(3));
      if (std::abs(got - element.value) > std::abs(scale) / 2 + slack) {
        return testing::AssertionFailure()
               << "element " << e << " is " << got << ", expected " << element.value;
      }
      written.insert(at.slot);
    }
    for (std::int64_t slot = 0; slot < codes_.extent(0); ++slot) {
      const std::int16_t* before = code_of(memory, {slot, 0, 0}, 0);
      const bool same =
          std::equal(before, before + codes_.stride(0), code_of(after, {slot, 0, 0}, 0));
      if (!same && !written.contains(slot))
        return testing::AssertionFailure() << "slot " << slot << " is nobody's and changed";
    }
    return testing::AssertionSuccess();
  }

  arena memory;

 private:
  struct row {
    std::int64_t slot, head, d;
  };

  static double largest_of(const expected_tensor& tensor) {
    double largest = 0;
    for (const expected_element& element : tensor.elements)
      largest = std::max(largest, std::abs(element.value));
    return largest;
  }
  static double greatest_of(const tensor_view& state, const row& at) {
    double greatest = 0;
    for (std::int64_t n = 0; n < state.extent(3); ++n) {
      const std::byte* h = address_of(state, at.slot, at.head, at.d, n);
      greatest = std::max(greatest, std::abs(load(h, dtype::float32)));
    }
    return greatest;
  }
  [[nodiscard]] row row_of(std::int64_t i) const {
    const std::int64_t dim = codes_.extent(2);
    return {i / rows_, i % rows_ / dim, i % dim};
  }
  /** `where`, of the views relative to address 0. */
  static std::byte* within(arena& where, const std::byte* address) {
    return where.data() + reinterpret_cast<std::uintptr_t>(address);
  }
  [[nodiscard]] std::int16_t* code_of(arena& where, const row& at, std::int64_t n) const {
    std::byte* code = within(where, address_of(codes_, at.slot, at.head, at.d, n));
    return reinterpret_cast<std::int16_t*>(code);
  }
  [[nodiscard]] std::byte* scale_of(arena& where, const row& at) const {
    return within(where, address_of(scales_, at.slot, at.head, at.d));
  }

  std::int64_t rows_;  ///< of a slot
  arena_layout layout_;
  tensor_view codes_, scales_;  ///< relative to address 0
};

class flashinfer_scaled : public testing::TestWithParam<scaled_run> {};

TEST_P(flashinfer_scaled, agrees_with_float64) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  random_engine engine{base_seed()};
  ssu_case test = model_case(GetParam().spec, engine);
  const ssu_args exact = test.args_at(test.memory.data());
  scaled_state state{exact.state};
  const std::int64_t fresh =
      exact.state_batch_indices
          ? load_index(exact.state_batch_indices.data(), exact.state_batch_indices.dtype())
          : 0;
  state.take(exact.state, fresh);

  const placed_memory memory{place::device, test.memory};
  const placed_memory states{place::device, state.memory};
  const placed_stream stream{place::device};
  ssu_args args = test.args_at(memory.data());
  state.bind(args, states.data());
  ssu_dispatch dispatch{{.backend = "flashinfer", .algorithm = GetParam().algorithm}};
  ssu_plan plan;
  try {
    plan = dispatch.plan(args);
  } catch (const unsupported& error) {
    GTEST_SKIP() << error.what();  // another list of shapes, or an older device
  }
  EXPECT_TRUE(std::ranges::any_of(plan.notes, [](const std::string& note) {
    return note.find("rounds int16 by itself") != std::string::npos;
  }));
  dispatch.selective_state_update(args, stream.get());
  stream.wait();

  const expected_result expected = ssu_oracle(exact, test.config, test.seed());
  const arena after = memory.read_all();
  const tensor_error out = compare(expected.out, test.memory.data(), after.data());
  EXPECT_EQ(out.failures, 0) << out.first_failure;
  EXPECT_TRUE(state.agrees(states.read_all(), expected.state, exact.state));
  EXPECT_GT(expected.state.elements.size(), std::size_t{1000});
}

INSTANTIATE_TEST_SUITE_P(runs, flashinfer_scaled, testing::ValuesIn(scaled_runs()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ssugraph::test
