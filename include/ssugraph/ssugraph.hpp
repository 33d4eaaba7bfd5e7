#pragma once

/** @file
 *  The whole public interface, but for profilers (tool.hpp). */

#include <ssugraph/backend.hpp>
#include <ssugraph/binding.hpp>
#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/byte_range.hpp>
#include <ssugraph/cache_layout.hpp>
#include <ssugraph/cache_view.hpp>
#include <ssugraph/candidate_timing.hpp>
#include <ssugraph/config.hpp>
#include <ssugraph/device.hpp>
#include <ssugraph/dispatch.hpp>
#include <ssugraph/enum_set.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/export.hpp>
#include <ssugraph/lane.hpp>
#include <ssugraph/lane_stats.hpp>
#include <ssugraph/log.hpp>
#include <ssugraph/pipeline.hpp>
#include <ssugraph/pipeline_builder.hpp>
#include <ssugraph/random.hpp>
#include <ssugraph/recording.hpp>
#include <ssugraph/reset_slots.hpp>
#include <ssugraph/rings.hpp>
#include <ssugraph/sequence_group.hpp>
#include <ssugraph/slot_states.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/ssu_call.hpp>
#include <ssugraph/ssu_plan.hpp>
#include <ssugraph/ssu_problem.hpp>
#include <ssugraph/staging.hpp>
#include <ssugraph/step.hpp>
#include <ssugraph/stream.hpp>
#include <ssugraph/suggest_buckets.hpp>
#include <ssugraph/target.hpp>
#include <ssugraph/tensor_layout.hpp>
#include <ssugraph/tensor_view.hpp>
#include <ssugraph/tuning.hpp>
#include <ssugraph/version.hpp>

/** The decode step of Mamba layers as replayable CUDA graphs. */
namespace ssugraph {}
