#pragma once

/** The whole public interface. */
#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/export.hpp>
#include <ssugraph/lane.hpp>
#include <ssugraph/pipeline.hpp>
#include <ssugraph/random.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/staging.hpp>
#include <ssugraph/step.hpp>
#include <ssugraph/stream.hpp>
#include <ssugraph/tensor_view.hpp>
#include <ssugraph/version.hpp>
