#include <ssugraph/device.hpp>
#include <ssugraph/dispatch.hpp>
#include <ssugraph/reset_slots.hpp>
#include <ssugraph/ssu.hpp>

#include <gtest/gtest.h>
#include <thrust/count.h>
#include <thrust/device_vector.h>
#include <thrust/execution_policy.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/tabulate.h>

#include <cstdint>
#include <vector>

/** A state of more than 2^31 elements: offsets are 64 bits wide everywhere. */
namespace ssugraph::test {
namespace {

constexpr std::int64_t nheads = 128;
constexpr std::int64_t dim = 64;
constexpr std::int64_t dstate = 128;
constexpr std::int64_t slot_elements = nheads * dim * dstate;
constexpr std::int64_t slots = (std::int64_t{1} << 31) / slot_elements + 9;
constexpr std::int64_t batch = 4;
static_assert(slots * slot_elements > std::int64_t{1} << 31);

/** bf16 bits of a small number that depends on the element. */
struct initial_bits {
  __host__ __device__ std::uint16_t operator()(std::int64_t element) const {
    return static_cast<std::uint16_t>(0x3f00 + element % 251 + element / slot_elements % 7);
  }
};

/** bf16 bits, which are exact here, of half the element's value. */
struct halved_bits {
  __host__ __device__ std::uint16_t operator()(std::int64_t element) const {
    return static_cast<std::uint16_t>(initial_bits{}(element)-0x80);
  }
};

/** An element of `data` that is not what `Bits` says. */
template <class Bits>
struct differs {
  const std::uint16_t* data;
  __host__ __device__ bool operator()(std::int64_t element) const {
    return data[element] != Bits{}(element);
  }
};

template <class Bits>
std::int64_t count_different(const std::uint16_t* data, std::int64_t first, std::int64_t last) {
  const auto begin = thrust::make_counting_iterator(first);
  return thrust::count_if(thrust::device, begin, begin + (last - first), differs<Bits>{data});
}

TEST(large_state, slots_past_2_31_elements_are_reached_and_the_others_left_alone) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  std::size_t free_bytes = 0;
  std::size_t total = 0;
  ASSERT_EQ(cudaMemGetInfo(&free_bytes, &total), cudaSuccess);
  const auto bytes = static_cast<std::size_t>(slots * slot_elements) * sizeof(std::uint16_t);
  if (free_bytes < bytes + (std::size_t{1} << 28)) GTEST_SKIP() << "not enough device memory";

  thrust::device_vector<std::uint16_t> state(static_cast<std::size_t>(slots * slot_elements));
  // exp(A * dt) = 1/2 up to an error far below bf16's, and x = 0: each live state is halved.
  const thrust::device_vector<float> zero(dstate, 0.0f);
  const thrust::device_vector<float> A(1, -0.69314718f);
  const thrust::device_vector<float> dt(1, 1.0f);
  thrust::device_vector<float> out(batch * nheads * dim);
  const std::vector<std::int64_t> live{slots - 1, 1, slots - 3, slots / 2};
  const thrust::device_vector<std::int64_t> indices(live.begin(), live.end());
  const auto broadcast = [](const auto& scalar, std::int64_t a, std::int64_t b, std::int64_t c) {
    return tensor_view{
        thrust::raw_pointer_cast(scalar.data()), dtype::float32, {a, b, c}, {0, 0, 0}};
  };
  ssu_args args;
  args.state = {
      thrust::raw_pointer_cast(state.data()), dtype::bfloat16, {slots, nheads, dim, dstate}};
  args.x = broadcast(zero, batch, nheads, dim);
  args.dt = broadcast(dt, batch, nheads, dim);
  args.A = broadcast(A, nheads, dim, dstate);
  args.B = {thrust::raw_pointer_cast(zero.data()), dtype::float32, {batch, 1, dstate}, {0, 0, 1}};
  args.C = args.B;
  args.out = {thrust::raw_pointer_cast(out.data()), dtype::float32, {batch, nheads, dim}};
  args.state_batch_indices = {thrust::raw_pointer_cast(indices.data()), dtype::int64, {batch}};

  for (const char* algorithm : {"vector", "scalar"}) {
    thrust::tabulate(thrust::device, state.begin(), state.end(), initial_bits{});
    ssu_dispatch dispatch{{.backend = "native", .algorithm = algorithm}};
    dispatch.selective_state_update(args, nullptr);
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    const std::uint16_t* data = thrust::raw_pointer_cast(state.data());
    EXPECT_EQ(count_different<initial_bits>(data, 0, slots * slot_elements), batch * slot_elements);
    for (const std::int64_t slot : live) {
      EXPECT_EQ(
          count_different<halved_bits>(data, slot * slot_elements, (slot + 1) * slot_elements), 0)
          << algorithm << " slot " << slot;
    }
  }

  // reset_slots reaches them too.
  const std::vector<tensor_view> states{args.state};
  reset_slots(states, args.state_batch_indices, nullptr);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  const std::uint16_t* last = thrust::raw_pointer_cast(state.data()) + (slots - 1) * slot_elements;
  EXPECT_EQ(thrust::count(thrust::device, last, last + slot_elements, std::uint16_t{0}),
            slot_elements);
}

}  // namespace
}  // namespace ssugraph::test
