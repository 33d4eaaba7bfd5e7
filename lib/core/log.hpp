#pragma once

#include <string_view>

namespace ssugraph::detail {

/** Sends one line to the log sink. */
void log_line(std::string_view line);

}  // namespace ssugraph::detail
