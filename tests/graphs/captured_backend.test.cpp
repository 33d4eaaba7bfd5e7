#include "lib/ssu/backends.hpp"
#include "tests/graphs/replay.hpp"
#include "tests/support/ssu_suite.hpp"

#include <ssugraph/error.hpp>
#include <ssugraph/ssu.hpp>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

/** A user's backend in a pipeline: what its enqueue puts on the stream is captured. */
namespace ssugraph::test {
namespace {

/** Native under another name, of which a pipeline knows no more than of any user's. */
class disguised_backend : public mamba_ssu_backend {
 public:
  std::string name() const override { return "disguised"; }
  support supports(const ssu_problem& problem) const override { return native_->supports(problem); }
  ssu_plan plan(const ssu_problem& problem, std::int64_t sequences,
                const std::string& algorithm) const override {
    ssu_plan plan = native_->plan(problem, sequences, algorithm);
    plan.backend = name();
    return plan;
  }
  void enqueue(const ssu_plan& plan, const ssu_args& args, std::int64_t drawn_seed,
               stream_handle stream) const override {
    native_->enqueue(plan, args, drawn_seed, stream);
  }

 private:
  detail::backend_pointer native_ = detail::find_backend("native");
};

/** Throws out of the middle of a capture. Only offers itself where it is wanted. */
class failing_backend : public disguised_backend {
 public:
  static inline std::atomic<bool> offered = false;

  std::string name() const override { return "failing"; }
  support supports(const ssu_problem& problem) const override {
    if (!offered) return {"it is not offered"};
    return disguised_backend::supports(problem);
  }
  ssu_plan plan(const ssu_problem& problem, std::int64_t sequences,
                const std::string& algorithm) const override {
    ssu_plan plan = disguised_backend::plan(problem, sequences, algorithm);
    plan.backend = name();
    return plan;
  }
  void enqueue(const ssu_plan& plan, const ssu_args& args, std::int64_t drawn_seed,
               stream_handle stream) const override {
    disguised_backend::enqueue(plan, args, drawn_seed, stream);
    throw unsupported{{{name(), "changed its mind"}}};
  }
};

const std::string& disguised() {
  static const std::string name = [] {
    register_mamba_ssu_backend(std::make_shared<disguised_backend>());
    register_mamba_ssu_backend(std::make_shared<failing_backend>());
    return std::string{"disguised"};
  }();
  return name;
}

INSTANTIATE_TEST_SUITE_P(captured, ssu_suite,
                         testing::Values(recorded(target::cuda, lane_call::replay, disguised())),
                         execution_name);

TEST(captured_backend, equals_the_kernel_node_bit_for_bit) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  case_spec spec;
  spec.state_dtype = dtype::bfloat16;
  spec.stochastic_rounding = true;
  const auto cases = make_layers(spec, 4);
  const auto run = [&](const std::string& backend) {
    auto named = cases;
    for (ssu_case& test : named)
      test.config.backend = backend;
    model layers{target::cuda, named, true};
    const placed_stream stream{place::device};
    lane lane = layers.build(bucket_policy{{2, 3}}).make_lane(stream.get());
    for (const std::int32_t batch : {1, 3, 2})
      lane.replay(batch, stream.get());
    stream.wait();
    return layers.read();
  };
  EXPECT_EQ(run(disguised()), run("native"));
}

TEST(captured_backend, that_throws_leaves_everything_usable) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  static_cast<void>(disguised());
  auto cases = make_layers({}, 2);
  for (ssu_case& test : cases)
    test.config.backend = "failing";
  model layers{target::cuda, cases, false};
  const auto before = layers.read();
  const placed_stream stream{place::device};
  failing_backend::offered = true;
  const pipeline built = layers.build(bucket_policy{{3}});
  failing_backend::offered = false;
  EXPECT_THROW(static_cast<void>(built.make_lane(stream.get())), unsupported);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(layers.read(), before);

  for (ssu_case& test : cases)
    test.config.backend = disguised();
  lane lane = model{target::cuda, cases, false}.build(bucket_policy{{3}}).make_lane(stream.get());
  stream.wait();
}

}  // namespace
}  // namespace ssugraph::test
