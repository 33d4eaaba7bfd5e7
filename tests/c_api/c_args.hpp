#pragma once

#include "tests/support/arena.hpp"

#include <ssugraph/config.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/ssugraph.h>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>
#include <utility>

/** What the C++ tests have, as the C API takes it. */
namespace ssugraph::test {

/** A DLTensor that owns its shape and strides. Stays where it is made. */
class c_tensor {
 public:
  c_tensor() = default;
  c_tensor(const tensor_view& view, bool on_gpu);
  c_tensor(const c_tensor&) = delete;
  c_tensor& operator=(const c_tensor&) = delete;
  void set(const tensor_view& view, bool on_gpu);

  DLTensor tensor{};
  std::array<std::int64_t, 8> shape{};
  std::array<std::int64_t, 8> strides{};
};

/** An ssugraph_ssu_args with its tensors, in the order of `ssu_tensors` and
 *  `ring_tensors`. Stays where it is made. */
class c_args {
 public:
  explicit c_args(const ssu_args& args, bool on_gpu = false);
  c_args(const c_args&) = delete;
  c_args& operator=(const c_args&) = delete;

  [[nodiscard]] const ssugraph_ssu_args* get() const { return &args; }
  /** The tensor of that name, bound or not; binding it is up to `args`. */
  [[nodiscard]] c_tensor& of(const std::string& name);

  ssugraph_ssu_args args{};
  std::array<c_tensor, ssu_tensors.size() + ring_tensors.size()> tensors{};
};

/** Of a backend by name; all else by default. */
[[nodiscard]] inline ssugraph_config c_config(const char* backend) {
  return {sizeof(ssugraph_config), backend, nullptr, 0, 0};
}
/** Refers to the strings of `config`. */
[[nodiscard]] inline ssugraph_config c_config(const mamba_config& config) {
  return {sizeof(ssugraph_config), config.backend.c_str(), config.algorithm.c_str(),
          config.stochastic_rounding ? 1 : 0, config.philox_rounds};
}

ssugraph_config c_config(mamba_config&&) = delete;

/** A handle that ends with its scope; `&` of it is where a function puts one. */
template <class Handle, ssugraph_status (*Destroy)(Handle*)>
class c_handle {
 public:
  c_handle() = default;
  c_handle(const c_handle&) = delete;
  c_handle& operator=(const c_handle&) = delete;
  ~c_handle() {
    if (handle_ == nullptr) return;
    EXPECT_EQ(Destroy(handle_), SSUGRAPH_STATUS_SUCCESS);
  }

  Handle** operator&() { return &handle_; }
  operator Handle*() const { return handle_; }
  Handle* release() { return std::exchange(handle_, nullptr); }

 private:
  Handle* handle_ = nullptr;
};

using c_dispatch = c_handle<ssugraph_dispatch, ssugraph_dispatch_destroy>;
using c_call = c_handle<ssugraph_call, ssugraph_call_destroy>;
using c_builder = c_handle<ssugraph_builder, ssugraph_builder_destroy>;
using c_pipeline = c_handle<ssugraph_pipeline, ssugraph_pipeline_destroy>;
using c_lane = c_handle<ssugraph_lane, ssugraph_lane_destroy>;
using c_ring = c_handle<ssugraph_staging_ring, ssugraph_staging_ring_destroy>;

/** A call's text: the argument of an invalid_argument is what stands in front of the colon. */
[[nodiscard]] std::string refused_argument(ssugraph_status status);

/** All of what a text function of the C API has to say. */
template <class Call>
std::string text_of(Call&& call) {
  std::size_t length = 0;
  if (call(nullptr, 0, &length) != SSUGRAPH_STATUS_SUCCESS) return ssugraph_last_error();
  std::string text(length + 1, '?');
  if (call(text.data(), text.size(), nullptr) != SSUGRAPH_STATUS_SUCCESS)
    return ssugraph_last_error();
  text.pop_back();
  return text;
}

}  // namespace ssugraph::test

/** Checks a status, and shows the text of another one. */
#define EXPECT_STATUS(call, expected) \
  EXPECT_EQ((call), SSUGRAPH_STATUS_##expected) << ssugraph_last_error()
#define ASSERT_STATUS(call, expected) \
  ASSERT_EQ((call), SSUGRAPH_STATUS_##expected) << ssugraph_last_error()
