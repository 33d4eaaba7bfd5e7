#include "profiling/timeline/cupti_listener.hpp"

#include "profiling/timeline/kernel_name.hpp"
#include "profiling/timeline/tracer.hpp"

#include <atomic>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ssugraph::timeline {
namespace {

constexpr std::size_t buffer_bytes = 4 << 20;

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

/** Null while nothing is traced. */
std::atomic<cupti_listener*> listening = nullptr;

/** The outermost launch that a thread is in; runtime calls make driver calls. */
struct open_launch {
  int depth = 0;
  host_launch launch;
};

thread_local open_launch this_launch;

/** Copies made for the graph that a thread is instantiating. */
thread_local std::optional<std::vector<node_key>> these_copies;

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

}  // namespace

void cupti_listener::start() {
  listening = this;
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

void cupti_listener::flush() {
  cupti_.check(cupti_.flush_all(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED), "cuptiActivityFlushAll");
}

void cupti_listener::stop() noexcept {
  listening = nullptr;
}

std::uint64_t cupti_listener::now() const noexcept {
  std::uint64_t time = 0;
  return cupti_.get_timestamp(&time) == CUPTI_SUCCESS ? time : 0;
}

node_key cupti_listener::key_of(CUgraph graph, CUgraphNode node) const noexcept {
  node_key key;
  key.graph = id_of(graph);
  if (cupti_.get_graph_node_id(node, &key.node) != CUPTI_SUCCESS) key.node = 0;
  return key;
}

void cupti_listener::name_stream(CUstream stream, const char* name) {
  std::uint32_t id = 0;
  if (cupti_.get_stream_id(nullptr, stream, 0, &id) == CUPTI_SUCCESS)
    recorder_.name_stream(id, name);
}

std::uint32_t cupti_listener::id_of(CUgraph graph) const noexcept {
  std::uint32_t id = 0;
  return graph != nullptr && cupti_.get_graph_id(graph, &id) == CUPTI_SUCCESS ? id : 0;
}

/** CUPTI is asked outside of the recorder's lock: it may hold its own while it hands over records.
 */
void cupti_listener::on_change(CUpti_CallbackId what, const CUpti_GraphData& graph) {
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

void cupti_listener::on_launch(const CUpti_CallbackData& call) {
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

void CUPTIAPI cupti_listener::on_callback(void*, CUpti_CallbackDomain domain, CUpti_CallbackId id,
                                          const void* data) {
  cupti_listener* const self = listening;
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

void CUPTIAPI cupti_listener::on_buffer_requested(std::uint8_t** buffer, std::size_t* bytes,
                                                  std::size_t* most_records) {
  *buffer = static_cast<std::uint8_t*>(std::malloc(buffer_bytes));
  *bytes = *buffer == nullptr ? 0 : buffer_bytes;  // CUPTI drops and counts then
  *most_records = 0;
}

void CUPTIAPI cupti_listener::on_buffer_completed(CUcontext context, std::uint32_t stream,
                                                  std::uint8_t* buffer, std::size_t,
                                                  std::size_t valid_bytes) {
  const std::unique_ptr<std::uint8_t, decltype(&std::free)> owner{buffer, &std::free};
  cupti_listener* const self = listening;
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

void cupti_listener::read(const CUpti_Activity& record) {
  const CUpti_ActivityKind kind = record.kind;
  if (kind == CUPTI_ACTIVITY_KIND_KERNEL || kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) {
    const auto& kernel = reinterpret_cast<const CUpti_ActivityKernel10&>(record);
    recorder_.add(event_of(kernel, kernel_name(kernel.name)));
  } else if (kind == CUPTI_ACTIVITY_KIND_MEMCPY) {
    recorder_.add(event_of(reinterpret_cast<const CUpti_ActivityMemcpy6&>(record), "memcpy"));
  } else if (kind == CUPTI_ACTIVITY_KIND_MEMSET) {
    recorder_.add(event_of(reinterpret_cast<const CUpti_ActivityMemset4&>(record), "memset"));
  } else if (kind == CUPTI_ACTIVITY_KIND_DEVICE) {
    const auto& device = reinterpret_cast<const CUpti_ActivityDevice5&>(record);
    recorder_.set_limit(1e-6 * static_cast<double>(device.globalMemoryBandwidth));
  }
}

}  // namespace ssugraph::timeline
