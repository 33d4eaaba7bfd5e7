#include <ssugraph/ssugraph.hpp>
#if SSUGRAPH_HAS_C_API
#include <ssugraph/ssugraph.h>
#endif

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

/** A program with a CUDA runtime of its own beside the one inside the shared library: whose errors
 *  are whose. Links nothing but what users have. */
namespace {

using namespace ssugraph;

#if SSUGRAPH_HAS_C_API
/** The arguments of a layer in C: dense fp32 tensors of CUDA device 0. */
struct c_layer {
  explicit c_layer(const ssu_args& of) {
    args.struct_size = sizeof args;
    args.state = add(of.state);
    args.x = add(of.x);
    args.dt = add(of.dt);
    args.A = add(of.A);
    args.B = add(of.B);
    args.C = add(of.C);
    args.out = add(of.out);
  }

  ssugraph_ssu_args args{};

 private:
  const DLTensor* add(const tensor_view& view) {
    std::vector<std::int64_t>& shape = shapes_.emplace_back();
    for (int axis = 0; axis < view.rank(); ++axis)
      shape.push_back(view.extent(axis));
    return &tensors_.emplace_back(DLTensor{.data = view.data(),
                                           .device = {kDLCUDA, 0},
                                           .ndim = view.rank(),
                                           .dtype = {kDLFloat, 32, 1},
                                           .shape = shape.data(),
                                           .strides = nullptr,
                                           .byte_offset = 0});
  }

  std::deque<DLTensor> tensors_;
  std::deque<std::vector<std::int64_t>> shapes_;
};

int allocate(void* memory, const ssugraph_step_context*, ssugraph_stream on) {
  void* other = nullptr;
  if (cudaMemsetAsync(memory, 0, 64, on) != cudaSuccess) return 1;
  if (cudaMalloc(&other, 256) == cudaSuccess) cudaFree(other);
  return 0;
}
#endif

class callers_runtime : public testing::Test {
 protected:
  static constexpr std::size_t bytes = 1 << 16;

  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    ASSERT_EQ(cudaMalloc(&memory_, bytes), cudaSuccess);
    ASSERT_EQ(cudaMemset(memory_, 0, bytes), cudaSuccess);
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    ASSERT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess);
  }
  void TearDown() override {
    if (stream_ == nullptr) return;
    EXPECT_EQ(cudaStreamDestroy(stream_), cudaSuccess);
    EXPECT_EQ(cudaFree(memory_), cudaSuccess);
  }

  [[nodiscard]] void* at(std::size_t offset) const {
    return static_cast<std::byte*>(memory_) + offset;
  }

  [[nodiscard]] ssu_args args() const {
    ssu_args args;
    args.state = {at(0), dtype::float32, {4, 1, 8, 16}};
    args.x = {at(8192), dtype::float32, {2, 1, 8}};
    args.dt = {at(12288), dtype::float32, {2, 1, 8}};
    args.A = {at(16384), dtype::float32, {1, 8, 16}};
    args.B = {at(20480), dtype::float32, {2, 1, 16}};
    args.C = {at(24576), dtype::float32, {2, 1, 16}};
    args.out = {at(28672), dtype::float32, {2, 1, 8}};
    return args;
  }

  /** A pipeline whose second step does `what`. */
  [[nodiscard]] pipeline build(std::function<void(stream_handle)> what) const {
    pipeline_builder builder{{}, bucket_policy{{2}}};
    builder.ssu("layer", args());
    builder.step("mine", [this, what = std::move(what)](const step_context&, stream_handle on) {
      EXPECT_EQ(cudaMemsetAsync(at(32768), 0, 64, on), cudaSuccess);
      what(on);
    });
    return builder.build();
  }

  /** Records it for a lane and into a capture of ours; each throws `Error`. */
  template <class Error>
  void expect_refused(const std::function<void(stream_handle)>& what) {
    EXPECT_THROW((void)build(what).make_lane(stream_), Error);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "behind make_lane";

    bool is_bad = false;
    lane lane = build([&](stream_handle on) {
                  if (is_bad) what(on);
                }).make_lane(stream_);
    is_bad = true;
    EXPECT_THROW((void)lane.rebind({}), Error);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "behind rebind";

    cudaGraph_t graph = nullptr;
    EXPECT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    lane.record_prologue(2, static_cast<const std::int32_t*>(at(36864)), stream_);
    lane.record_step(0, stream_);
    EXPECT_THROW(lane.record_step(1, stream_), Error);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "behind record_step";
    (void)cudaStreamEndCapture(stream_, &graph);
    EXPECT_EQ(graph, nullptr) << "the capture is spoilt";
    (void)cudaGetLastError();
  }

  void* memory_ = nullptr;
  cudaStream_t stream_ = nullptr;
};

TEST_F(callers_runtime, has_no_error_of_a_step_that_allocated) {
  expect_refused<cuda_error>([](stream_handle) {
    void* memory = nullptr;
    if (cudaMalloc(&memory, 256) == cudaSuccess) cudaFree(memory);
  });
}

TEST_F(callers_runtime, has_no_error_of_a_step_that_synchronised) {
  expect_refused<cuda_error>([](stream_handle on) { (void)cudaStreamSynchronize(on); });
}

#if SSUGRAPH_HAS_C_API
/** C has no inline functions of the library's: it names its runtime. */
TEST_F(callers_runtime, of_a_c_program_has_no_error_of_a_step_that_allocated) {
  constexpr std::int32_t bucket = 2;
  for (const bool named : {false, true}) {
    ssugraph_builder* builder = nullptr;
    ASSERT_EQ(ssugraph_builder_create(nullptr, &bucket, 1, SSUGRAPH_TARGET_CUDA, &builder),
              SSUGRAPH_STATUS_SUCCESS);
    const c_layer layer{args()};
    ASSERT_EQ(ssugraph_builder_ssu(builder, "layer", &layer.args, nullptr), SSUGRAPH_STATUS_SUCCESS)
        << ssugraph_last_error();
    ASSERT_EQ(ssugraph_builder_step(builder, "mine", allocate, at(32768), nullptr, nullptr),
              SSUGRAPH_STATUS_SUCCESS);
    if (named) {
      ASSERT_EQ(ssugraph_builder_last_error(
                    builder, reinterpret_cast<ssugraph_last_error_function>(&cudaPeekAtLastError),
                    reinterpret_cast<ssugraph_last_error_function>(&cudaGetLastError)),
                SSUGRAPH_STATUS_SUCCESS);
    }
    ssugraph_pipeline* pipeline = nullptr;
    ssugraph_lane* lane = nullptr;
    ASSERT_EQ(ssugraph_builder_build(builder, &pipeline), SSUGRAPH_STATUS_SUCCESS);
    EXPECT_EQ(ssugraph_pipeline_make_lane(pipeline, nullptr, 0, stream_, &lane),
              SSUGRAPH_STATUS_CUDA_ERROR);
    EXPECT_EQ(cudaGetLastError() == cudaSuccess, named);
    EXPECT_EQ(ssugraph_pipeline_destroy(pipeline), SSUGRAPH_STATUS_SUCCESS);
    EXPECT_EQ(ssugraph_builder_destroy(builder), SSUGRAPH_STATUS_SUCCESS);
  }
}
#endif

TEST_F(callers_runtime, keeps_the_error_of_a_step_that_was_recorded) {
  lane lane = build([](stream_handle) { (void)cudaSetDevice(-1); }).make_lane(stream_);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidDevice) << "which is the caller's to see";
  lane.replay(2, stream_);
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
}

TEST_F(callers_runtime, keeps_an_error_from_before) {
  ASSERT_NE(cudaSetDevice(-1), cudaSuccess);
  EXPECT_THROW((void)build([](stream_handle) { throw std::string{"mine"}; }).make_lane(stream_),
               std::string);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidDevice);
}

}  // namespace
