#pragma once

#include <string>

namespace ssugraph::timeline {

/** The name of a kernel as its source has it, without arguments, of its mangled one. */
[[nodiscard]] std::string kernel_name(const char* mangled);

}  // namespace ssugraph::timeline
