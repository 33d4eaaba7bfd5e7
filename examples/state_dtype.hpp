#pragma once

#include <ssugraph/error.hpp>
#include <ssugraph/tensor_view.hpp>

#include <string>

/** What a state is stored in, by the names that command lines have for it. */
namespace state_dtype {

inline constexpr const char* names = "fp32, fp16, bf16, int16, int8 or fp8";

/** Throws invalid_argument that names --state-dtype. */
[[nodiscard]] inline ssugraph::dtype parse(const std::string& name) {
  using ssugraph::dtype;
  if (name == "fp32") return dtype::float32;
  if (name == "fp16") return dtype::float16;
  if (name == "bf16") return dtype::bfloat16;
  if (name == "int16") return dtype::int16;
  if (name == "int8") return dtype::int8;
  if (name == "fp8") return dtype::float8_e4m3;
  throw ssugraph::invalid_argument{"--state-dtype", names, name};
}

}  // namespace state_dtype
