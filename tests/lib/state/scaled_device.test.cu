#include "tests/lib/state/octet_rows.hpp"

#include <ssugraph/device.hpp>

#include <gtest/gtest.h>
#include <thrust/device_vector.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

/** The codec on a GPU against the same on the CPU, code for code. */
namespace ssugraph::test {
namespace {

constexpr std::uint64_t octets = (1 << 24) / detail::octet_size;
constexpr int threads = 256;

/** What a GPU reads of eight codes. */
struct decoded_octet {
  float q[detail::octet_size];
};

template <class Code>
__global__ void encode_all(const octet_row* rows, encoded_octet<Code>* to, std::uint64_t count) {
  const std::uint64_t i = std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < count) to[i] = encoded<Code>(rows[i]);
}

template <class Code>
__global__ void decode_all(const std::uint32_t* words, decoded_octet* to, std::uint64_t count) {
  const std::uint64_t i = std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < count) detail::decode_octet<Code>(words + i * detail::words_of_octet<Code>, to[i].q);
}

unsigned blocks_for(std::uint64_t count) {
  return static_cast<unsigned>((count + threads - 1) / threads);
}

template <class T>
std::vector<T> on_host(const thrust::device_vector<T>& values) {
  std::vector<T> copy(values.size());
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_EQ(cudaMemcpy(copy.data(), thrust::raw_pointer_cast(values.data()),
                       values.size() * sizeof(T), cudaMemcpyDeviceToHost),
            cudaSuccess);
  return copy;
}

bool same_float(float a, float b) {
  return std::isnan(a) ? std::isnan(b) : detail::float_bits(a) == detail::float_bits(b);
}

template <class Code>
class scaled_codec_device : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  }

  static std::vector<octet_row> rows() {
    std::vector<octet_row> all(octets);
    for (std::uint64_t i = 0; i < octets; ++i)
      all[i] = row_of_every_kind(i, detail::greatest_code<Code>);
    return all;
  }
};

TYPED_TEST_SUITE(scaled_codec_device, scaled_codes, scaled_code_names);

TYPED_TEST(scaled_codec_device, stores_rows_of_every_kind_as_the_host_does) {
  const std::vector<octet_row> rows = this->rows();
  const thrust::device_vector<octet_row> given(rows.begin(), rows.end());
  thrust::device_vector<encoded_octet<TypeParam>> made(octets);
  encode_all<TypeParam><<<blocks_for(octets), threads>>>(
      thrust::raw_pointer_cast(given.data()), thrust::raw_pointer_cast(made.data()), octets);
  const auto got = on_host(made);
  for (std::uint64_t i = 0; i < octets; ++i) {
    const encoded_octet<TypeParam> expected = encoded<TypeParam>(rows[i]);
    ASSERT_TRUE(same_float(got[i].scale.encode, expected.scale.encode)) << "row " << i;
    ASSERT_TRUE(same_float(got[i].scale.decode, expected.scale.decode)) << "row " << i;
    ASSERT_TRUE(same_float(got[i].stochastic_scale.decode, expected.stochastic_scale.decode))
        << "row " << i;
    ASSERT_EQ(std::memcmp(got[i].nearest, expected.nearest, sizeof expected.nearest), 0)
        << "row " << i;
    ASSERT_EQ(std::memcmp(got[i].stochastic, expected.stochastic, sizeof expected.stochastic), 0)
        << "row " << i;
  }
}

/** Of every code, in every place, beside others. */
TYPED_TEST(scaled_codec_device, reads_codes_as_the_host_does) {
  constexpr int words = detail::words_of_octet<TypeParam>;
  std::vector<std::uint32_t> given(octets * words);
  std::uint32_t word = 1;
  for (std::uint64_t i = 0; i < given.size(); ++i) {
    given[i] = word;
    word = word * 1664525u + 1013904223u;
  }
  for (std::uint32_t code = 0; code < 1u << 8 * sizeof(TypeParam); ++code) {
    for (int i = 0; i < detail::octet_size; ++i) {
      const std::uint64_t octet = std::uint64_t{code} * detail::octet_size + i;
      auto* const first = reinterpret_cast<std::byte*>(given.data() + octet * words);
      std::memcpy(first + i * sizeof(TypeParam), &code, sizeof(TypeParam));
    }
  }
  const thrust::device_vector<std::uint32_t> read(given.begin(), given.end());
  thrust::device_vector<decoded_octet> made(octets);
  decode_all<TypeParam><<<blocks_for(octets), threads>>>(
      thrust::raw_pointer_cast(read.data()), thrust::raw_pointer_cast(made.data()), octets);
  const auto got = on_host(made);
  for (std::uint64_t i = 0; i < octets; ++i) {
    float expected[detail::octet_size];
    detail::decode_octet<TypeParam>(given.data() + i * words, expected);
    for (int n = 0; n < detail::octet_size; ++n)
      ASSERT_TRUE(same_float(got[i].q[n], expected[n])) << "octet " << i << ", " << expected[n];
  }
}

}  // namespace
}  // namespace ssugraph::test
