#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/** What a traced process did, without anything of CUDA. Times are nanoseconds of one clock. */
namespace ssugraph::timeline {

struct interval {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/** Whose a node of a graph is: what the library tells tools (ssugraph/tool.hpp). */
struct node_owner {
  std::int32_t bucket = 0;
  std::string step = {};
  std::int32_t layer = -1;  ///< -1: no SSU step
  std::string plan = {};
  std::int64_t bytes = 0;             ///< to be moved for a full bucket
  std::int64_t bytes_a_sequence = 0;  ///< what a padded sequence takes off that
  std::size_t place = 0;              ///< of its step's first node in the graph
};

/** A kernel, a copy or a memset, as the device ran it. */
struct device_event {
  interval time = {};
  std::string name = {};
  std::uint32_t device = 0;
  std::uint32_t stream = 0;
  std::uint32_t graph = 0;  ///< 0: it was launched outside of graphs
  std::uint64_t node = 0;
  std::uint32_t correlation = 0;  ///< of its launch
  /** As known when the device told of it: its graph may be gone by the end. */
  std::shared_ptr<const node_owner> owner = {};
};

/** A call that launched a graph or a kernel. */
struct host_launch {
  interval time = {};
  std::uint32_t thread = 0;
  std::string name = {};
  std::uint32_t correlation = 0;
  /** Of the driver's call that it made; the device's events may have either. */
  std::uint32_t inner_correlation = 0;
  std::optional<std::int64_t> batch = {};  ///< live sequences, where a lane's replay launched
};

/** An NVTX range. */
struct host_range {
  interval time = {};
  std::uint32_t thread = 0;
  std::string domain = {};
  std::string name = {};
  std::string category = {};
  std::optional<std::int64_t> payload = {};
};

/** All of it. */
struct recording {
  std::string program = {};
  std::vector<device_event> device = {};
  std::vector<host_launch> launches = {};
  std::vector<host_range> ranges = {};
  std::map<std::uint32_t, std::string> stream_names = {};
  std::uint64_t dropped = 0;  ///< records that could not be kept
  std::size_t nodes = 0;      ///< of graphs, known at the end
  double limit_gb_s = 0.0;    ///< what the device's memory could move; 0: not known
};

}  // namespace ssugraph::timeline
