#include "tests/graphs/replay.hpp"
#include "tests/support/model_case.hpp"
#if SSUGRAPH_CUDA
#include "tests/graphs/disguised_backend.hpp"
#endif

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#if SSUGRAPH_CUDA
#include <cuda_runtime_api.h>
#endif

/** Lanes on tensors that are aligned otherwise than those that their pipeline was built on. */
namespace ssugraph::test {
namespace {

/** What runs the lanes. */
struct runner {
  target where;
  std::string backend;
};

std::ostream& operator<<(std::ostream& stream, const runner& by) {
  return stream << by.backend;
}

/** What kernels read or write 16 bytes at a time. Of a tied layer A is a scalar a head. */
std::vector<named_tensor> wide_tensors(const ssu_args& args) {
  std::vector<named_tensor> wide{
      {"state", &ssu_args::state}, {"B", &ssu_args::B}, {"C", &ssu_args::C}};
  if (args.A.stride(args.A.rank() - 1) != 0) wide.push_back({"A", &ssu_args::A});
  return wide;
}

/** How a lane comes to its addresses, and what runs there. */
enum class way { make_lane, rebind, record };

std::vector<binding> all_of(const ssu_args& args) {
  std::vector<binding> bindings;
  for (const auto& [name, member] : ssu_tensors)
    if (args.*member) bindings.push_back({"layer", name, (args.*member).data()});
  return bindings;
}

#if SSUGRAPH_CUDA

void check(cudaError_t error) {
  ASSERT_EQ(error, cudaSuccess) << cudaGetErrorString(error);
}

/** One step of `lane` in a graph of the caller's. */
void record_and_launch(lane& lane, std::int32_t bucket, std::int32_t batch, stream_handle stream) {
  placed_memory live{place::device, sizeof batch};
  live.write(0, std::as_bytes(std::span{&batch, 1}));
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  lane.record(bucket, reinterpret_cast<const std::int32_t*>(live.data()), stream);
  check(cudaStreamEndCapture(stream, &graph));
  check(cudaGraphInstantiate(&exec, graph, 0));
  check(cudaGraphLaunch(exec, stream));
  check(cudaStreamSynchronize(stream));
  check(cudaGraphExecDestroy(exec));
  check(cudaGraphDestroy(graph));
}

#endif

/** One step, so. */
void run(lane& lane, [[maybe_unused]] way how, [[maybe_unused]] std::int32_t bucket,
         std::int32_t batch, stream_handle stream) {
#if SSUGRAPH_CUDA
  if (how == way::record) return record_and_launch(lane, bucket, batch, stream);
#endif
  lane.replay(batch, stream);
}

class alignment : public testing::TestWithParam<runner> {
 protected:
  void SetUp() override {
    if (on_gpu() && !has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  }
  void TearDown() override {
    if (!IsSkipped()) tally_.print(GetParam().backend);
  }

  static bool on_gpu() { return GetParam().where == target::cuda; }
  static place where() { return place_of(GetParam().where); }

  /** A layer of Mamba-1. */
  static ssu_case untied_case() {
    case_spec spec;
    spec.nheads = 1;
    spec.dim = 128;
    spec.dstate = 16;
    spec.tied = false;
    spec.state_dtype = dtype::bfloat16;
    spec.io_dtype = dtype::bfloat16;
    random_engine engine{base_seed()};
    ssu_case test = make_case(spec, engine);
    // The tile whose name has images for vector access and for any layout.
    if (GetParam().backend == "triton") test.config.algorithm = "64x4";
    return test;
  }
  /** A layer of Mamba-2. */
  static ssu_case tied_case() {
    case_spec spec;
    spec.dim = 64;
    spec.dstate = 128;
    spec.state_dtype = dtype::bfloat16;
    spec.io_dtype = dtype::bfloat16;
    random_engine engine{base_seed()};
    return model_case(spec, engine);
  }

  static pipeline_builder builder_on(const ssu_case& test, const ssu_args& args) {
    mamba_config config = test.config;
    config.backend = GetParam().backend;
    const auto capacity = static_cast<std::int32_t>(test.capacity);
    pipeline_builder builder{config, bucket_policy{{capacity}}, GetParam().where};
    builder.ssu("layer", without_seed(args));
    return builder;
  }

  [[nodiscard]] static execution running(decltype(execution::run) run) {
    execution how{"", where(), [](const ssu_case& test) { return test.capacity; }, std::move(run),
                  GetParam().backend};
    return on_gpu() ? by_backend(how, GetParam().backend) : how;
  }

  /** Runs a case by a lane of a pipeline that was built on `origin`, which differs from the case in
   *  where it lies. */
  [[nodiscard]] static execution planned_on(const ssu_case& origin, way how) {
    return running([=](const ssu_case& test, std::byte* base, stream_handle stream) {
      const placed_memory memory{where(), origin.memory};
      const pipeline built = builder_on(origin, origin.args_at(memory.data())).build();
      const auto bindings = all_of(without_seed(test.args_at(base)));
      lane lane =
          built.make_lane(stream, how == way::make_lane ? bindings : std::vector<binding>{});
      if (how != way::make_lane) static_cast<void>(lane.rebind(bindings));
      lane.set_random_state(test.random, stream);
      run(lane, how, static_cast<std::int32_t>(test.capacity),
          static_cast<std::int32_t>(test.batch), stream);
      static_cast<void>(lane.random_state());  // waits
    });
  }

  [[nodiscard]] static std::vector<way> ways() {
    if (!on_gpu()) return {way::make_lane, way::rebind};
    return {way::make_lane, way::rebind, way::record};
  }

  refusals tally_;
};

/** Whether the message is about a tensor of that name. */
bool names(const invalid_argument& error, std::string_view tensor) {
  return error.came().find(std::string{tensor} + " is not ") != std::string::npos;
}

template <class Call>
void expect_refused(std::string_view tensor, Call call) {
  try {
    call();
    ADD_FAILURE() << "no error for " << tensor;
  } catch (const invalid_argument& error) {
    EXPECT_EQ(error.argument(), "layer");
    EXPECT_TRUE(names(error, tensor)) << error.what();
  }
}

/** A kernel of 16-byte accesses refuses an address that allows none, and the lane goes on. */
TEST_P(alignment, that_a_kernel_cannot_take_is_refused_by_tensor_and_harms_nothing) {
  for (const ssu_case& test : {untied_case(), tied_case()}) {
    const ssu_case far = shifted(test, 4);
    const placed_memory other{where(), far.memory};
    const ssu_args elsewhere = far.args_at(other.data());
    const auto refuse = [&](const ssu_case& here, std::byte* base, stream_handle stream) {
      const pipeline built = builder_on(here, here.args_at(base)).build();
      lane lane = built.make_lane(stream);
      for (const auto& [tensor, member] : wide_tensors(here.layout)) {
        const std::vector<binding> bound{{"layer", tensor, (elsewhere.*member).data()}};
        if (on_gpu()) {
          expect_refused(tensor, [&] { (void)built.make_lane(stream, bound); });
          expect_refused(tensor, [&] { (void)lane.rebind(bound); });
        } else {
          EXPECT_NO_THROW((void)built.make_lane(stream, bound));
        }
      }
      lane.set_random_state(here.random, stream);
      lane.replay(static_cast<std::int32_t>(here.batch), stream);
    };
    EXPECT_TRUE(agrees_or_refuses(test, running(refuse), tally_)) << test.name;
  }
  if (tally_.served_count() == 0) GTEST_SKIP() << "it serves neither layer";
}

/** A plan that was made where no 16-byte accesses can be takes every address. */
TEST_P(alignment, that_is_better_than_was_planned_for_is_taken) {
  for (const ssu_case& test : {untied_case(), tied_case()})
    for (const way how : ways())
      EXPECT_TRUE(agrees_or_refuses(test, planned_on(shifted(test, 4), how), tally_)) << test.name;
  if (tally_.served_count() == 0) GTEST_SKIP() << "it serves aligned tensors only";
}

/** Whatever the layer, a lane gives the right results or is refused. */
TEST_P(alignment, of_random_layers_is_right_or_refused) {
  constexpr std::size_t off = 8;  // for int64, too
  int refused = 0;
  for (int i = 0; i < case_count(40); ++i) {
    random_engine engine{base_seed() + static_cast<std::uint64_t>(i)};
    case_spec spec = random_spec(engine);
    spec.aligned = true;
    const ssu_case test = make_case(spec, engine);
    const ssu_case far = shifted(test, off);
    SCOPED_TRACE(test.name);
    const way how = ways()[static_cast<std::size_t>(i) % ways().size()];
    ASSERT_TRUE(agrees_or_refuses(test, planned_on(far, how), tally_));
    try {
      ASSERT_TRUE(agrees_or_refuses(far, planned_on(test, how), tally_));
    } catch (const invalid_argument& error) {
      ++refused;
      EXPECT_EQ(error.argument(), "layer");
      EXPECT_NE(error.came().find("is not"), std::string::npos) << error.what();
    }
  }
  std::printf("%d refused\n", refused);
  if (!on_gpu()) {
    EXPECT_EQ(refused, 0);
  }
}

std::string runner_name(const testing::TestParamInfo<runner>& info) {
  return info.param.backend;
}

INSTANTIATE_TEST_SUITE_P(on_host, alignment, testing::Values(runner{target::host, "reference"}),
                         runner_name);

#if SSUGRAPH_CUDA

INSTANTIATE_TEST_SUITE_P(on_cuda, alignment,
                         testing::Values(runner{target::cuda, "native"},
                                         runner{target::cuda, "triton"},
                                         runner{target::cuda, "flashinfer"},
                                         runner{target::cuda, "automatic"},
                                         runner{target::cuda, disguised()}),
                         runner_name);

/** Bulk copies want more than 16 bytes, and each algorithm of FlashInfer of other tensors. */
class alignment_of_bulk_copies : public alignment {};

TEST_P(alignment_of_bulk_copies, is_asked_of_the_algorithm_that_was_planned) {
  ssu_case test = tied_case();
  const ssu_case far = shifted(test, 16);
  const auto runs_far_by = [&](const std::string& algorithm) {
    test.config.algorithm = algorithm;
    return agrees_or_refuses(far, planned_on(test, way::rebind), tally_);
  };
  EXPECT_TRUE(runs_far_by("simple"));
  if (tally_.served_count() == 0) GTEST_SKIP() << "not in this build";
  for (const char* algorithm : {"vertical", "horizontal"}) {
    test.config.algorithm = algorithm;
    EXPECT_TRUE(agrees_or_refuses(test, planned_on(test, way::rebind), tally_)) << algorithm;
    try {
      EXPECT_TRUE(runs_far_by(algorithm));
      ADD_FAILURE() << "no error for " << algorithm;
    } catch (const invalid_argument& error) {
      EXPECT_EQ(error.came(), "state is not aligned to 128 bytes");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(on_cuda, alignment_of_bulk_copies,
                         testing::Values(runner{target::cuda, "flashinfer"}), runner_name);

#endif

}  // namespace
}  // namespace ssugraph::test
