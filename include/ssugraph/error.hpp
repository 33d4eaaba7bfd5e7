#pragma once

/**
 * @file
 * The four exceptions of the library. Their types are contract, their texts are not. All but
 * cuda_error are thrown before anything was enqueued or changed.
 */

#include <ssugraph/export.hpp>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace ssugraph {

/** An argument breaks its contract. Names the argument, what was expected and what came. */
class SSUGRAPH_EXPORT invalid_argument : public std::invalid_argument {
 public:
  /** A text is made of all three. */
  invalid_argument(std::string argument, std::string expected, std::string came)
      : std::invalid_argument{argument + ": expected " + expected + ", got " + came},
        argument_{std::move(argument)},
        expected_{std::move(expected)},
        came_{std::move(came)} {}

  /** Its name, with the step in front where a pipeline is built: `layer3.state`. */
  [[nodiscard]] const std::string& argument() const noexcept { return argument_; }
  /** What would have been right, in words. */
  [[nodiscard]] const std::string& expected() const noexcept { return expected_; }
  /** What was passed, in words. */
  [[nodiscard]] const std::string& came() const noexcept { return came_; }

 private:
  std::string argument_;
  std::string expected_;
  std::string came_;
};

/** A well-formed problem that a backend does not serve. Carries each backend with its reason. */
class SSUGRAPH_EXPORT unsupported : public std::runtime_error {
 public:
  /** One backend's answer. */
  struct refusal {
    std::string backend;  ///< its name
    std::string reason;   ///< in words; of one that would serve, that it does
  };

  /** The text has every backend and its reason. */
  explicit unsupported(std::vector<refusal> refusals)
      : std::runtime_error{describe(refusals)}, refusals_{std::move(refusals)} {}

  /** The one that was asked for comes first. */
  [[nodiscard]] const std::vector<refusal>& refusals() const noexcept { return refusals_; }

 private:
  static std::string describe(const std::vector<refusal>& refusals) {
    std::string text = "unsupported";
    for (const auto& [backend, reason] : refusals)
      text += "; " + backend + ": " + reason;
    return text;
  }

  std::vector<refusal> refusals_;
};

/** A call that an object's state forbids. Names the object, its state and the call that fixes it.
 */
class SSUGRAPH_EXPORT invalid_state : public std::logic_error {
 public:
  /** A text is made of all three. */
  invalid_state(std::string object, std::string state, std::string remedy)
      : std::logic_error{object + " " + state + "; " + remedy},
        object_{std::move(object)},
        state_{std::move(state)},
        remedy_{std::move(remedy)} {}

  /** What was called, in words. */
  [[nodiscard]] const std::string& object() const noexcept { return object_; }
  /** What it is in, and so cannot do the call. */
  [[nodiscard]] const std::string& state() const noexcept { return state_; }
  /** The call that gets it out of there. */
  [[nodiscard]] const std::string& remedy() const noexcept { return remedy_; }

 private:
  std::string object_;
  std::string state_;
  std::string remedy_;
};

/**
 * A CUDA call failed. `code` is the `cudaError_t`; `step` and `bucket` say where in a pipeline, if
 * it was there. The only one that may come with part of the work enqueued.
 */
class SSUGRAPH_EXPORT cuda_error : public std::runtime_error {
 public:
  /** `call` failed with the `cudaError_t` `code`, which CUDA calls `text`. */
  cuda_error(int code, std::string call, const std::string& text)
      : std::runtime_error{call + ": " + text}, code_{code}, call_{std::move(call)} {}

  /** `error`, in step `step` of the graph of bucket `bucket`. */
  cuda_error(const cuda_error& error, const std::string& step, int bucket)
      : std::runtime_error{error.what() + (" in step '" + step + "' of bucket ") +
                           std::to_string(bucket)},
        code_{error.code_},
        call_{error.call_},
        step_{step},
        bucket_{bucket} {}

  /** The `cudaError_t`. */
  [[nodiscard]] int code() const noexcept { return code_; }
  /** The function of CUDA's that failed. */
  [[nodiscard]] const std::string& call() const noexcept { return call_; }
  /** Empty outside of a pipeline. */
  [[nodiscard]] const std::string& step() const noexcept { return step_; }
  /** 0 outside of a pipeline. */
  [[nodiscard]] int bucket() const noexcept { return bucket_; }

 private:
  int code_;
  std::string call_;
  std::string step_;
  int bucket_ = 0;
};

}  // namespace ssugraph
