#pragma once

#include <cupti.h>

namespace ssugraph::timeline {

/** What is used of CUPTI, loaded at run time: where it is missing the program must run all the
 * same. */
struct cupti_functions {
  decltype(&cuptiGetErrorMessage) get_error_message = nullptr;
  decltype(&cuptiSubscribe) subscribe = nullptr;
  decltype(&cuptiEnableCallback) enable_callback = nullptr;
  decltype(&cuptiActivityRegisterCallbacks) register_callbacks = nullptr;
  decltype(&cuptiActivityEnable) enable = nullptr;
  decltype(&cuptiActivityFlushAll) flush_all = nullptr;
  decltype(&cuptiActivityGetNextRecord) get_next_record = nullptr;
  decltype(&cuptiActivityGetNumDroppedRecords) get_num_dropped_records = nullptr;
  decltype(&cuptiGetTimestamp) get_timestamp = nullptr;
  decltype(&cuptiGetStreamIdEx) get_stream_id = nullptr;
  decltype(&cuptiGetGraphId) get_graph_id = nullptr;
  decltype(&cuptiGetGraphNodeId) get_graph_node_id = nullptr;

  /** Throws std::runtime_error with what CUPTI says of `result`. */
  void check(CUptiResult result, const char* call) const;
};

/** Throws std::runtime_error. */
[[nodiscard]] cupti_functions load_cupti();

}  // namespace ssugraph::timeline
