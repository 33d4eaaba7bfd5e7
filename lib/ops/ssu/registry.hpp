#pragma once

#include <ssugraph/backend.hpp>
#include <ssugraph/ssu_plan.hpp>

#include <array>
#include <memory>
#include <string>
#include <vector>

/** Which backends of the SSU there are: those of the library, then those that users registered. */
namespace ssugraph::detail {

using backend_pointer = std::shared_ptr<const mamba_ssu_backend>;

/** Name of the config that leaves the choice to us. */
inline constexpr const char* automatic = "automatic";

/** Every backend of this process: built in, then registered ones, in order. */
[[nodiscard]] std::vector<backend_pointer> all_backends();

/** The backend that a plan of `backend` names; where it names nobody, that one. */
[[nodiscard]] backend_pointer owner_of(const ssu_plan& plan, const backend_pointer& backend);

/** A backend of the library that a build may lack; it runs on CUDA. */
struct optional_backend {
  const char* name;
  const char* remedy;  ///< what brings it
};

/** All of them, whether this build has them or not. */
inline constexpr std::array optional_backends{
    optional_backend{"native", "the CUDA Toolkit 13.0 or later: cmake -DSSUGRAPH_CUDA=ON"},
    optional_backend{"triton",
                     "the PyPI package triton, which the build installs for itself where python3 "
                     "and pip are there: cmake -DSSUGRAPH_CUDA=ON -DSSUGRAPH_TRITON=ON"},
    optional_backend{
        "flashinfer",
        "the PyPI package flashinfer-python, which the build fetches for itself where "
        "python3 and pip are there: cmake -DSSUGRAPH_CUDA=ON -DSSUGRAPH_FLASHINFER=ON"},
};

/** The one called `name`; null if there is none. */
[[nodiscard]] const optional_backend* find_optional(const std::string& name);

/** Why a build without `absent` does not serve. */
[[nodiscard]] std::string missing(const optional_backend& absent);

}  // namespace ssugraph::detail
