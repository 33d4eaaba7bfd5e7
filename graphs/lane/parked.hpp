#pragma once

#include "graphs/core/pipeline_core.hpp"
#include "lib/core/cuda_handle.hpp"

#include <list>
#include <memory>

/** Pipelines that outlive their lanes: what the callables of steps own, a graph in flight may still
 *  write. Where CUDA still works a context is current, in relaxed capture mode, in every call. */
namespace ssugraph::detail {

struct parked_pipeline {
  std::shared_ptr<const pipeline_core> core;
  cuda_event over;  ///< recorded behind the last replay; null: nobody can tell when that is over
};

/** A list of one, made with its lane: parking allocates nothing. */
using parking_ticket = std::list<parked_pipeline>;

/** Keeps the pipeline of `ticket` until its last replay is over; lets go of it where it is. */
void park(parking_ticket ticket) noexcept;

/** Lets go of those whose last replay is over by now: destroys callables of users. */
void release_parked() noexcept;

}  // namespace ssugraph::detail
