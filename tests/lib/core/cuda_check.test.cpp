#include "lib/core/cuda_check.hpp"

#include <gtest/gtest.h>

#include <string>

namespace ssugraph::test {
namespace {

std::string text_of(cudaError_t code) {
  try {
    detail::check_cuda(code, "a call");
    return "no error";
  } catch (const cuda_error& error) {
    EXPECT_EQ(error.code(), static_cast<int>(code));
    EXPECT_EQ(error.call(), "a call");
    return error.what();
  }
}

TEST(check_cuda, says_for_which_gpus_kernels_were_built_where_one_is_missing) {
  const std::string built = "built for compute capability " + detail::built_architectures();
  for (const cudaError_t code : {cudaErrorNoKernelImageForDevice, cudaErrorInvalidDeviceFunction,
                                 cudaErrorUnsupportedPtxVersion}) {
    const std::string text = text_of(code);
    EXPECT_NE(text.find(cudaGetErrorName(code)), std::string::npos) << text;
    EXPECT_NE(text.find(built), std::string::npos) << text;
  }
  EXPECT_EQ(text_of(cudaErrorInvalidValue), "a call: cudaErrorInvalidValue: invalid argument");
}

TEST(check_cuda, knows_the_architectures) {
  // For example "8.0, 9.0", as CMake was told.
  const std::string list = detail::built_architectures();
  EXPECT_NE(list.find('.'), std::string::npos) << list;
  EXPECT_EQ(list.find_first_not_of("0123456789., "), std::string::npos) << list;
}

}  // namespace
}  // namespace ssugraph::test
