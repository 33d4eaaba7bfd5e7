#include "lib/ops/ssu/backends/native/kernels.hpp"
#include "lib/ops/ssu/backends/native/policy.hpp"

#include <ssugraph/device.hpp>
#include <ssugraph/tensor_view.hpp>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <set>
#include <string>
#include <vector>

/** What the compiler made of every native kernel: registers, and what it spilled. */
namespace ssugraph::test {
namespace {

namespace native = ssugraph::detail::native;
using detail::io_width;
using native::kernel_key;
using native::state_access;

/** What a kernel is compiled for. */
struct kernel_name {
  dtype state;
  bool rounding;
  kernel_key key;

  bool operator==(const kernel_name&) const = default;
};

struct native_kernel {
  kernel_name name;
  const void* function;
};

std::string text_of(const kernel_name& name) {
  constexpr std::array accesses{", along dstate", ", along dim", ", by element"};
  constexpr std::array widths{", narrow inputs", ", wide inputs", ", any inputs"};
  const auto& [lanes, rows, octets, access, io, tied, one_token] = name.key;
  return (name.rounding ? "rounded " : "") + std::string{to_string(name.state)} + ", " +
         std::to_string(lanes) + " lanes, " + std::to_string(rows) + " rows" +
         (octets > 1 ? " of two octets" : "") + accesses[static_cast<std::size_t>(access)] +
         widths[static_cast<std::size_t>(io)] + (tied ? ", tied" : ", untied") +
         (one_token ? ", one token" : ", many tokens");
}

/** All that there might be. */
std::vector<kernel_key> thinkable_keys() {
  std::vector<kernel_key> keys;
  for (const int lanes : {2, 4, 8, 16, 32}) {
    for (const int rows : {2, 4, 8}) {
      for (const int octets : {1, 2}) {
        for (const state_access access :
             {state_access::along_dstate, state_access::along_dim, state_access::by_element}) {
          for (const io_width io : {io_width::narrow, io_width::wide, io_width::any}) {
            for (unsigned flags = 0; flags < 4; ++flags) {
              keys.push_back({.lanes = lanes,
                              .rows = rows,
                              .octets = octets,
                              .access = access,
                              .io = io,
                              .tied = (flags & 1) != 0,
                              .one_token = (flags & 2) != 0});
            }
          }
        }
      }
    }
  }
  return keys;
}

template <dtype State, bool Rounding>
void append_kernels(std::vector<native_kernel>& kernels) {
  for (const kernel_key& key : thinkable_keys()) {
    if (!native::is_compiled(key, State)) continue;
    const auto find = key.tied
                          ? (key.one_token ? native::find_kernel<State, Rounding, true, true>
                                           : native::find_kernel<State, Rounding, true, false>)
                          : (key.one_token ? native::find_kernel<State, Rounding, false, true>
                                           : native::find_kernel<State, Rounding, false, false>);
    kernels.push_back({{State, Rounding, key}, find(key)});
  }
}

std::vector<native_kernel> all_kernels() {
  std::vector<native_kernel> kernels;
  append_kernels<dtype::float32, false>(kernels);
  append_kernels<dtype::float16, false>(kernels);
  append_kernels<dtype::bfloat16, false>(kernels);
  append_kernels<dtype::float16, true>(kernels);
  append_kernels<dtype::bfloat16, true>(kernels);
  append_kernels<dtype::int16, false>(kernels);
  append_kernels<dtype::int8, false>(kernels);
  append_kernels<dtype::float8_e4m3, false>(kernels);
  append_kernels<dtype::int16, true>(kernels);
  append_kernels<dtype::int8, true>(kernels);
  append_kernels<dtype::float8_e4m3, true>(kernels);
  return kernels;
}

/** Local memory that a kernel may have, bytes a thread, as CUDA 13.0 made it for sm_90. No other
 *  has any, but those of scaled states. */
struct spill {
  kernel_name of;
  std::size_t bytes;
};

constexpr kernel_key tokens_by_element(io_width io, bool tied) {
  return {.lanes = 32,
          .rows = 2,
          .octets = 1,
          .access = state_access::by_element,
          .io = io,
          .tied = tied,
          .one_token = false};
}

constexpr kernel_key tied_tokens(int lanes, int rows) {
  return {.lanes = lanes,
          .rows = rows,
          .octets = 1,
          .access = state_access::along_dstate,
          .io = io_width::narrow,
          .tied = true,
          .one_token = false};
}

constexpr kernel_key along_dim(int lanes, bool one_token) {
  return {.lanes = lanes,
          .rows = 8,
          .octets = 1,
          .access = state_access::along_dim,
          .io = io_width::any,
          .tied = true,
          .one_token = one_token};
}

constexpr kernel_key two_lanes(io_width io) {
  return {.lanes = 2,
          .rows = 2,
          .octets = 1,
          .access = state_access::along_dstate,
          .io = io,
          .tied = false,
          .one_token = true};
}

constexpr spill spills[]{
    {{dtype::float32, false, tied_tokens(32, 2)}, 8},
    {{dtype::float32, false, tied_tokens(32, 4)}, 8},
    {{dtype::float32, false, tied_tokens(32, 8)}, 8},
    {{dtype::float32, false, along_dim(8, true)}, 8},
    {{dtype::float32, false, along_dim(16, true)}, 40},
    {{dtype::float32, false, along_dim(32, true)}, 40},
    {{dtype::float16, true, tokens_by_element(io_width::narrow, false)}, 32},
    {{dtype::float16, true, tokens_by_element(io_width::any, false)}, 32},
    {{dtype::float16, true, tokens_by_element(io_width::any, true)}, 32},
    {{dtype::float16, true, two_lanes(io_width::wide)}, 8},
    {{dtype::float16, true, two_lanes(io_width::any)}, 8},
    {{dtype::bfloat16, true, tokens_by_element(io_width::narrow, false)}, 32},
    {{dtype::bfloat16, true, tokens_by_element(io_width::any, false)}, 32},
    {{dtype::bfloat16, true, tokens_by_element(io_width::narrow, true)}, 32},
    {{dtype::bfloat16, true, tokens_by_element(io_width::any, true)}, 32},
    {{dtype::bfloat16, true, two_lanes(io_width::any)}, 8},
    {{dtype::bfloat16, true, tied_tokens(8, 8)}, 8},
    {{dtype::bfloat16, true, tied_tokens(16, 8)}, 8},
    {{dtype::bfloat16, true, tied_tokens(32, 8)}, 24},
    {{dtype::bfloat16, true, along_dim(32, false)}, 8},
};

/** Of scaled states: rows wait in fp32 for their greatest value, and a few words for them. */
constexpr std::size_t most_bytes_scaled = 40;

bool is_named(const kernel_name& name) {
  return std::ranges::find(spills, name, &spill::of) != std::end(spills);
}

std::size_t bytes_allowed(const kernel_name& name) {
  if (is_scaled(name.state)) return most_bytes_scaled;
  return is_named(name) ? std::ranges::find(spills, name, &spill::of)->bytes : 0;
}

TEST(native_kernels, are_all_there) {
  const std::vector<native_kernel> kernels = all_kernels();
  std::set<const void*> functions;
  for (const native_kernel& each : kernels) {
    EXPECT_NE(each.function, nullptr) << text_of(each.name);
    functions.insert(each.function);
  }
  EXPECT_EQ(kernels.size(), 610u + 102u + 200u)
      << "122 for each of five formats, 51 for each of int16, 50 for each of one byte";
  EXPECT_EQ(functions.size(), kernels.size());
}

class native_kernels_on_gpu : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  }

  [[nodiscard]] static cudaFuncAttributes attributes_of(const native_kernel& kernel) {
    cudaFuncAttributes attributes{};
    EXPECT_EQ(cudaFuncGetAttributes(&attributes, kernel.function), cudaSuccess)
        << text_of(kernel.name);
    return attributes;
  }
};

TEST_F(native_kernels_on_gpu, have_no_more_registers_than_they_may) {
  for (const native_kernel& each : all_kernels())
    EXPECT_LE(attributes_of(each).numRegs,
              native::max_registers(each.name.key, is_scaled(each.name.state)))
        << text_of(each.name);
}

TEST_F(native_kernels_on_gpu, spill_no_more_than_is_named) {
  std::size_t named = 0;
  for (const native_kernel& each : all_kernels()) {
    const cudaFuncAttributes attributes = attributes_of(each);
    if (attributes.binaryVersion != 90) GTEST_SKIP() << "known of sm_90 alone";
    EXPECT_LE(attributes.localSizeBytes, bytes_allowed(each.name)) << text_of(each.name);
    named += is_named(each.name) ? 1 : 0;
  }
  EXPECT_EQ(named, std::size(spills)) << "each is of a kernel that there is";
}

}  // namespace
}  // namespace ssugraph::test
