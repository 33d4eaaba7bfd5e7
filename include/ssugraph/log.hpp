#pragma once

/** @file
 *  Where the library's messages go. A library is quiet: news (which backend runs, what was built)
 *  goes to a sink alone, or to stderr where the environment has `SSUGRAPH_LOG=info`; a warning
 *  (a tuning cache that cannot be used) to the sink, or to stderr. */

#include <ssugraph/export.hpp>

#include <functional>
#include <string_view>

namespace ssugraph {

/**
 * Takes the library's messages, one line each without its end. Called from any thread, one at a
 * time; must not throw. It may call the library, `set_log_sink` included: what that logs on this
 * thread goes where it goes without a sink. It must not wait for another thread that may have a
 * line to log.
 */
using log_sink = std::function<void(std::string_view line)>;

/** Replaces where messages go (default, and for an empty sink: warnings to stderr, and news there,
 *  too, if `SSUGRAPH_LOG` is `info` when the first of it comes). When it returns, the one before
 *  runs no more, unless it made this call. Thread-safe. */
SSUGRAPH_EXPORT void set_log_sink(log_sink sink);

}  // namespace ssugraph
