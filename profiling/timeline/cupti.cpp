#include "profiling/timeline/cupti.hpp"

#include <cuda.h>
#include <dlfcn.h>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

namespace ssugraph::timeline {
namespace {

/** Never closed: CUPTI stays until the process ends. */
void* open_library() {
  // Of the headers' release: records are laid out by it.
  const std::string name = "libcupti.so." + std::to_string(CUDA_VERSION / 1000);
  std::vector<std::string> paths{name};
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"}) {
    if (const char* root = std::getenv(variable)) {
      paths.push_back(std::string{root} + "/extras/CUPTI/lib64/" + name);
      paths.push_back(std::string{root} + "/lib64/" + name);
    }
  }
  paths.push_back("/usr/local/cuda/extras/CUPTI/lib64/" + name);
  for (const std::string& path : paths) {
    if (void* library = dlopen(path.c_str(), RTLD_NOW)) return library;
  }
  throw std::runtime_error{"no " + name +
                           " (part of the CUDA toolkit, in extras/CUPTI/lib64, and of pip's "
                           "nvidia-cuda-cupti; LD_LIBRARY_PATH says where)"};
}

}  // namespace

void cupti_functions::check(CUptiResult result, const char* call) const {
  if (result == CUPTI_SUCCESS) return;
  const char* message = nullptr;
  if (get_error_message(result, &message) != CUPTI_SUCCESS || message == nullptr)
    message = "an unknown error";
  throw std::runtime_error{std::string{call} + ": " + message};
}

cupti_functions load_cupti() {
  void* library = open_library();
  cupti_functions functions;
  const auto find = [&](auto& function, const char* name) {
    void* found = dlsym(library, name);
    if (found == nullptr) throw std::runtime_error{std::string{"libcupti lacks "} + name};
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(found);
  };
  find(functions.get_error_message, "cuptiGetErrorMessage");
  find(functions.subscribe, "cuptiSubscribe");
  find(functions.enable_callback, "cuptiEnableCallback");
  find(functions.register_callbacks, "cuptiActivityRegisterCallbacks");
  find(functions.enable, "cuptiActivityEnable");
  find(functions.flush_all, "cuptiActivityFlushAll");
  find(functions.get_next_record, "cuptiActivityGetNextRecord");
  find(functions.get_num_dropped_records, "cuptiActivityGetNumDroppedRecords");
  find(functions.get_timestamp, "cuptiGetTimestamp");
  find(functions.get_stream_id, "cuptiGetStreamIdEx");
  find(functions.get_graph_id, "cuptiGetGraphId");
  find(functions.get_graph_node_id, "cuptiGetGraphNodeId");
  return functions;
}

}  // namespace ssugraph::timeline
