#include "profiling/timeline/tracer.hpp"

#include "profiling/timeline/cupti.hpp"
#include "profiling/timeline/recorder.hpp"
#include "profiling/timeline/settings.hpp"
#include "profiling/timeline/summary.hpp"
#include "profiling/timeline/trace.hpp"

#include <ssugraph/tool.hpp>

#include <cxxabi.h>
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
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/** CUPTI's side of the timeline: device activity, launches, which node is copied from which, and
 *  which of them are gone. */
namespace ssugraph::timeline {
namespace {

constexpr std::size_t buffer_bytes = 4 << 20;

void say(const std::string& line) {
  // One insertion, so that lines of several processes do not mingle.
  std::cerr << "ssugraph timeline: " + line + '\n';
}

/** Calls that launch kernels or graphs. */
constexpr CUpti_CallbackId runtime_launches[] = {
    CUPTI_RUNTIME_TRACE_CBID_cudaLaunchKernel_v7000,
    CUPTI_RUNTIME_TRACE_CBID_cudaLaunchKernel_ptsz_v7000,
    CUPTI_RUNTIME_TRACE_CBID___cudaLaunchKernel_v13000,
    CUPTI_RUNTIME_TRACE_CBID___cudaLaunchKernel_ptsz_v13000,
    CUPTI_RUNTIME_TRACE_CBID_cudaLaunchKernelExC_v11060,
    CUPTI_RUNTIME_TRACE_CBID_cudaLaunchKernelExC_ptsz_v11060,
    CUPTI_RUNTIME_TRACE_CBID_cudaGraphLaunch_v10000,
    CUPTI_RUNTIME_TRACE_CBID_cudaGraphLaunch_ptsz_v10000};
constexpr CUpti_CallbackId driver_launches[] = {
    CUPTI_DRIVER_TRACE_CBID_cuLaunchKernel,   CUPTI_DRIVER_TRACE_CBID_cuLaunchKernel_ptsz,
    CUPTI_DRIVER_TRACE_CBID_cuLaunchKernelEx, CUPTI_DRIVER_TRACE_CBID_cuLaunchKernelEx_ptsz,
    CUPTI_DRIVER_TRACE_CBID_cuGraphLaunch,    CUPTI_DRIVER_TRACE_CBID_cuGraphLaunch_ptsz};

/** What happens to nodes of graphs. */
constexpr CUpti_CallbackId node_changes[] = {
    CUPTI_CBID_RESOURCE_GRAPHNODE_CLONED,       CUPTI_CBID_RESOURCE_GRAPHNODE_DESTROY_STARTING,
    CUPTI_CBID_RESOURCE_GRAPH_DESTROY_STARTING, CUPTI_CBID_RESOURCE_GRAPHEXEC_CREATE_STARTING,
    CUPTI_CBID_RESOURCE_GRAPHEXEC_CREATED,      CUPTI_CBID_RESOURCE_GRAPHEXEC_DESTROY_STARTING};

/** A kernel's name as its source has it, without arguments. */
std::string readable(const char* name) {
  if (name == nullptr) return "(unnamed)";
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> source{
      abi::__cxa_demangle(name, nullptr, nullptr, &status), &std::free};
  std::string text = status == 0 ? source.get() : name;
  // Arguments begin behind the template arguments, at the first parenthesis of no bracket.
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '<') ++depth;
    if (text[i] == '>') --depth;
    const bool is_anonymous = text.compare(i, 11, "(anonymous ") == 0;
    if (text[i] == '(' && depth == 0 && !is_anonymous) {
      text.resize(i);
      break;
    }
  }
  return text;
}

class tracer {
 public:
  /** Starts to trace. Throws std::exception: nothing is traced then. */
  tracer()
      : settings_{read_settings([](const char* name) { return std::getenv(name); }, getpid())},
        cupti_{load_cupti()},
        file_{settings_.trace_file},
        recorder_{settings_.most_events},
        process_{getpid()} {
    if (!file_) {
      throw std::runtime_error{"cannot write " + settings_.trace_file + ": " +
                               std::strerror(errno)};
    }
    if (settings_.limit_gb_s > 0.0) recorder_.set_limit(settings_.limit_gb_s);
  }

  /** Apart from the constructor: callbacks come from here on, and find the tracer. */
  void start() {
    CUpti_SubscriberHandle subscriber = nullptr;
    cupti_.check(cupti_.subscribe(&subscriber, &on_callback, nullptr), "cuptiSubscribe");
    const auto listen = [&](CUpti_CallbackDomain domain, CUpti_CallbackId id) {
      cupti_.check(cupti_.enable_callback(1, subscriber, domain, id), "cuptiEnableCallback");
    };
    for (const CUpti_CallbackId id : node_changes)
      listen(CUPTI_CB_DOMAIN_RESOURCE, id);
    for (const CUpti_CallbackId id : runtime_launches)
      listen(CUPTI_CB_DOMAIN_RUNTIME_API, id);
    for (const CUpti_CallbackId id : driver_launches)
      listen(CUPTI_CB_DOMAIN_DRIVER_API, id);
    cupti_.check(cupti_.register_callbacks(&on_buffer_requested, &on_buffer_completed),
                 "cuptiActivityRegisterCallbacks");
    for (const CUpti_ActivityKind kind :
         {CUPTI_ACTIVITY_KIND_DEVICE, CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL,
          CUPTI_ACTIVITY_KIND_MEMCPY, CUPTI_ACTIVITY_KIND_MEMSET}) {
      cupti_.check(cupti_.enable(kind), "cuptiActivityEnable");
    }
  }

  /** Takes back the file of a tracer that could not start. */
  void remove_file() {
    file_.close();
    std::remove(settings_.trace_file.c_str());
  }

  /** Writes what was traced. Throws std::exception. */
  void finish() {
    if (getpid() != process_) return;  // a child that was forked off has nothing to tell
    cupti_.check(cupti_.flush_all(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED), "cuptiActivityFlushAll");
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

  [[nodiscard]] std::uint64_t now() const noexcept {
    std::uint64_t time = 0;
    return cupti_.get_timestamp(&time) == CUPTI_SUCCESS ? time : 0;
  }

  [[nodiscard]] node_key key_of(CUgraph graph, CUgraphNode node) const noexcept {
    node_key key;
    key.graph = id_of(graph);
    if (cupti_.get_graph_node_id(node, &key.node) != CUPTI_SUCCESS) key.node = 0;
    return key;
  }

  void name_stream(CUstream stream, const char* name) {
    std::uint32_t id = 0;
    if (cupti_.get_stream_id(nullptr, stream, 0, &id) == CUPTI_SUCCESS)
      recorder_.name_stream(id, name);
  }

 private:
  static void CUPTIAPI on_callback(void* user, CUpti_CallbackDomain domain, CUpti_CallbackId id,
                                   const void* data);
  static void CUPTIAPI on_buffer_requested(std::uint8_t** buffer, std::size_t* bytes,
                                           std::size_t* most_records);
  static void CUPTIAPI on_buffer_completed(CUcontext context, std::uint32_t stream,
                                           std::uint8_t* buffer, std::size_t bytes,
                                           std::size_t valid_bytes);

  /** 0: it is not known. */
  [[nodiscard]] std::uint32_t id_of(CUgraph graph) const noexcept {
    std::uint32_t id = 0;
    return graph != nullptr && cupti_.get_graph_id(graph, &id) == CUPTI_SUCCESS ? id : 0;
  }

  void on_change(CUpti_CallbackId what, const CUpti_GraphData& graph);
  void on_launch(const CUpti_CallbackData& call);
  void read(const CUpti_Activity& record);

  settings settings_;
  cupti_functions cupti_;
  std::ofstream file_;
  recorder recorder_;
  pid_t process_;
};

/** Set while something is traced. What it points to is never freed: callbacks may be under way. */
std::atomic<tracer*> active = nullptr;

/** The outermost launch that a thread is in; runtime calls make driver calls. */
struct open_launch {
  int depth = 0;
  host_launch launch;
};

thread_local open_launch this_launch;

/** Copies made for the graph that a thread is instantiating. */
thread_local std::optional<std::vector<node_key>> these_copies;

/** CUPTI is asked outside of the recorder's lock: it may hold its own while it hands over records.
 */
void tracer::on_change(CUpti_CallbackId what, const CUpti_GraphData& graph) {
  const auto change = [&](const auto& what_of) { recorder_.change_nodes(what_of); };
  if (what == CUPTI_CBID_RESOURCE_GRAPHNODE_CLONED) {
    const node_key original = key_of(graph.originalGraph, graph.originalNode);
    const node_key copy = key_of(graph.graph, graph.node);
    if (these_copies && copy != original) these_copies->push_back(copy);
    change([&](node_map& nodes) { nodes.copy(original, copy); });
  } else if (what == CUPTI_CBID_RESOURCE_GRAPHNODE_DESTROY_STARTING) {
    const node_key node = key_of(graph.graph, graph.node);
    change([&](node_map& nodes) { nodes.destroy_node(node); });
  } else if (what == CUPTI_CBID_RESOURCE_GRAPH_DESTROY_STARTING) {
    const std::uint32_t id = id_of(graph.graph);
    if (id != 0) change([&](node_map& nodes) { nodes.destroy_graph(id); });
  } else if (what == CUPTI_CBID_RESOURCE_GRAPHEXEC_CREATE_STARTING) {
    these_copies.emplace();
  } else if (what == CUPTI_CBID_RESOURCE_GRAPHEXEC_CREATED && these_copies) {
    change([&](node_map& nodes) { nodes.instantiate(graph.graphExec, std::move(*these_copies)); });
    these_copies.reset();
  } else if (what == CUPTI_CBID_RESOURCE_GRAPHEXEC_DESTROY_STARTING) {
    change([&](node_map& nodes) { nodes.destroy_executable(graph.graphExec); });
  }
}

void tracer::on_launch(const CUpti_CallbackData& call) {
  open_launch& open = this_launch;
  if (call.callbackSite == CUPTI_API_ENTER) {
    if (open.depth++ == 0) {
      open.launch = {.time = {now(), 0},
                     .thread = this_thread(),
                     .name = call.functionName,
                     .correlation = call.correlationId,
                     .inner_correlation = call.correlationId,
                     .batch = batch_of_this_thread()};
    } else {
      open.launch.inner_correlation = call.correlationId;
    }
  } else if (--open.depth == 0) {
    open.launch.time.end = now();
    recorder_.add(std::move(open.launch));
  }
}

void CUPTIAPI tracer::on_callback(void*, CUpti_CallbackDomain domain, CUpti_CallbackId id,
                                  const void* data) {
  tracer* const self = active;
  if (self == nullptr) return;
  try {
    if (domain == CUPTI_CB_DOMAIN_RESOURCE) {
      const auto* resource = static_cast<const CUpti_ResourceData*>(data);
      self->on_change(id, *static_cast<const CUpti_GraphData*>(resource->resourceDescriptor));
    } else {
      self->on_launch(*static_cast<const CUpti_CallbackData*>(data));
    }
  } catch (const std::exception&) {
    self->recorder_.drop(1);
  }
}

void CUPTIAPI tracer::on_buffer_requested(std::uint8_t** buffer, std::size_t* bytes,
                                          std::size_t* most_records) {
  *buffer = static_cast<std::uint8_t*>(std::malloc(buffer_bytes));
  *bytes = *buffer == nullptr ? 0 : buffer_bytes;  // CUPTI drops and counts then
  *most_records = 0;
}

void CUPTIAPI tracer::on_buffer_completed(CUcontext context, std::uint32_t stream,
                                          std::uint8_t* buffer, std::size_t,
                                          std::size_t valid_bytes) {
  const std::unique_ptr<std::uint8_t, decltype(&std::free)> owner{buffer, &std::free};
  tracer* const self = active;
  if (self == nullptr) return;
  const cupti_functions& cupti = self->cupti_;
  CUpti_Activity* record = nullptr;
  while (valid_bytes > 0 && cupti.get_next_record(buffer, valid_bytes, &record) == CUPTI_SUCCESS) {
    try {
      self->read(*record);
    } catch (const std::exception&) {
      self->recorder_.drop(1);
    }
  }
  std::size_t dropped = 0;
  if (cupti.get_num_dropped_records(context, stream, &dropped) == CUPTI_SUCCESS && dropped > 0)
    self->recorder_.drop(dropped);
}

/** What kernels, copies and memsets have in common. */
template <class Record>
device_event event_of(const Record& record, std::string&& name) {
  return {.time = {record.start, record.end},
          .name = std::move(name),
          .device = record.deviceId,
          .stream = record.streamId,
          .graph = record.graphId,
          .node = record.graphNodeId,
          .correlation = record.correlationId};
}

void tracer::read(const CUpti_Activity& record) {
  const CUpti_ActivityKind kind = record.kind;
  if (kind == CUPTI_ACTIVITY_KIND_KERNEL || kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) {
    const auto& kernel = reinterpret_cast<const CUpti_ActivityKernel10&>(record);
    recorder_.add(event_of(kernel, readable(kernel.name)));
  } else if (kind == CUPTI_ACTIVITY_KIND_MEMCPY) {
    recorder_.add(event_of(reinterpret_cast<const CUpti_ActivityMemcpy6&>(record), "memcpy"));
  } else if (kind == CUPTI_ACTIVITY_KIND_MEMSET) {
    recorder_.add(event_of(reinterpret_cast<const CUpti_ActivityMemset4&>(record), "memset"));
  } else if (kind == CUPTI_ACTIVITY_KIND_DEVICE) {
    const auto& device = reinterpret_cast<const CUpti_ActivityDevice5&>(record);
    recorder_.set_limit(1e-6 * static_cast<double>(device.globalMemoryBandwidth));
  }
}

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
  const tracer* const self = active;
  return self != nullptr ? self->now() : 0;
}

std::uint32_t this_thread() noexcept {
  return static_cast<std::uint32_t>(gettid());
}

void add_range(host_range range) {
  if (tracer* const self = active) self->events().add(std::move(range));
}

void name_stream(CUstream_st* stream, const char* name) {
  if (tracer* const self = active) self->name_stream(stream, name);
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
    const node_key key = self->key_of(graph->graph, node.node);
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
