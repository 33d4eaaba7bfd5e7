#pragma once

#include <string_view>

/** Lines for the log sink; where they go without one, ssugraph/log.hpp says. */
namespace ssugraph::detail {

/** News: what runs, what was made. */
void log_info(std::string_view line);

/** What went otherwise than the caller asked for. */
void log_warning(std::string_view line);

}  // namespace ssugraph::detail
