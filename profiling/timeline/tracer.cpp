#include "profiling/timeline/tracer.hpp"

#include "profiling/timeline/cupti_listener.hpp"
#include "profiling/timeline/recorder.hpp"
#include "profiling/timeline/settings.hpp"
#include "profiling/timeline/summary.hpp"
#include "profiling/timeline/trace.hpp"

#include <ssugraph/tool.hpp>

#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/** From the driver's first call to the end of the process: what is set, what listens, what is
 *  written. */
namespace ssugraph::timeline {
namespace {

void say(const std::string& line) {
  // One insertion, so that lines of several processes do not mingle.
  std::cerr << "ssugraph timeline: " + line + '\n';
}

class tracer {
 public:
  /** Starts to trace. Throws std::exception: nothing is traced then. */
  tracer()
      : settings_{read_settings([](const char* name) { return std::getenv(name); }, getpid())},
        recorder_{settings_.most_events},
        listener_{recorder_},
        file_{settings_.trace_file},
        process_{getpid()} {
    if (!file_) {
      throw std::runtime_error{"cannot write " + settings_.trace_file + ": " +
                               std::strerror(errno)};
    }
    if (settings_.limit_gb_s > 0.0) recorder_.set_limit(settings_.limit_gb_s);
  }

  /** Apart from the constructor: callbacks come from here on, and find the tracer. */
  void start() { listener_.start(); }

  /** Takes back the file of a tracer that could not start. */
  void remove_file() {
    file_.close();
    std::remove(settings_.trace_file.c_str());
  }

  /** Writes what was traced. Throws std::exception. */
  void finish() {
    if (getpid() != process_) return;  // a child that was forked off has nothing to tell
    listener_.flush();
    recording recorded = recorder_.take();
    recorded.program = program_invocation_short_name;
    const std::vector<attributed_event> events = attribute(recorded);
    const summary summary = summarise(events);
    write_trace(file_, recorded, events);
    file_.close();
    std::ofstream table{settings_.table_file};
    table << to_text(summary, recorded);
    table.close();
    if (!file_ || !table) throw std::runtime_error{"cannot write all of " + settings_.trace_file};
    say(settings_.trace_file + ", table in " + settings_.table_file + ": " +
        std::to_string(summary.attributed) + " kernels, copies and memsets of steps, " +
        std::to_string(summary.unattributed) + " of graphs but unattributed, " +
        std::to_string(summary.outside) + " outside graphs");
    if (recorded.dropped > 0) {
      say(std::to_string(recorded.dropped) +
          " records dropped: SSUGRAPH_TIMELINE_EVENTS sets how many are kept, now " +
          std::to_string(settings_.most_events));
    }
  }

  [[nodiscard]] recorder& events() noexcept { return recorder_; }
  [[nodiscard]] cupti_listener& listener() noexcept { return listener_; }

 private:
  settings settings_;
  recorder recorder_;
  cupti_listener listener_;
  std::ofstream file_;
  pid_t process_;
};

/** Set while something is traced. What it points to is never freed: callbacks may be under way. */
std::atomic<tracer*> active = nullptr;

/** Has NVTX load this library, too, unless another tool is asked for. */
void ask_for_ranges() {
  Dl_info self{};
  if (dladdr(reinterpret_cast<void*>(&ask_for_ranges), &self) == 0) return;
  const char* const variable = "NVTX_INJECTION64_PATH";
  const char* asked = std::getenv(variable);
  if (asked == nullptr) {
    setenv(variable, self.dli_fname, 0);
  } else if (std::string{asked} != self.dli_fname) {
    say(std::string{variable} + " is " + asked +
        ": no ranges here, and bytes are those of full buckets");
  }
}

void finish() noexcept {
  // From here on no range and no launch is added; buffers still come while all is flushed.
  tracer* const self = active;
  try {
    self->finish();
  } catch (const std::exception& error) {
    say(error.what());
  }
  cupti_listener::stop();
  active = nullptr;
}

/** Tracing that cannot start is told, and leaves the program alone. */
void start() noexcept {
  try {
    if (active != nullptr) return say("is started twice; the first goes on");
    auto tracing = std::make_unique<tracer>();
    ask_for_ranges();
    active = tracing.get();
    try {
      tracing->start();
    } catch (const std::exception&) {
      cupti_listener::stop();
      active = nullptr;
      tracing->remove_file();
      static_cast<void>(tracing.release());  // callbacks may be under way
      throw;
    }
    static_cast<void>(tracing.release());
    std::atexit(&finish);
  } catch (const std::exception& error) {
    say(std::string{"traces nothing: "} + error.what());
  }
}

}  // namespace

std::uint64_t now() noexcept {
  tracer* const self = active;
  return self != nullptr ? self->listener().now() : 0;
}

std::uint32_t this_thread() noexcept {
  return static_cast<std::uint32_t>(gettid());
}

void add_range(host_range range) {
  if (tracer* const self = active) self->events().add(std::move(range));
}

void name_stream(CUstream_st* stream, const char* name) {
  if (tracer* const self = active) self->listener().name_stream(stream, name);
}

}  // namespace ssugraph::timeline

/** What the driver calls as it loads CUDA_INJECTION64_PATH. */
extern "C" [[gnu::visibility("default")]] int InitializeInjection() {
  ssugraph::timeline::start();
  return 1;
}

[[gnu::visibility("default")]] void ssugraph_graph_recorded(const ssugraph::tool_graph* graph) {
  using namespace ssugraph::timeline;
  tracer* const self = active;
  if (self == nullptr) return;
  std::string step;
  std::size_t place = 0;
  for (std::size_t i = 0; i < graph->node_count; ++i) {
    const ssugraph::tool_node& node = graph->nodes[i];
    if (step != node.step) place = i;
    step = node.step;
    const node_key key = self->listener().key_of(graph->graph, node.node);
    self->events().change_nodes([&](node_map& nodes) {
      nodes.own(key, {.bucket = graph->bucket,
                      .step = step,
                      .layer = node.layer,
                      .plan = node.plan,
                      .bytes = node.bytes,
                      .bytes_a_sequence = node.bytes_a_sequence,
                      .place = place});
    });
  }
}
