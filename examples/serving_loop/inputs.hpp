#pragma once

#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#define SSUGRAPH_HOST_DEVICE __host__ __device__
#else
#define SSUGRAPH_HOST_DEVICE
#endif

/**
 * The inputs of the model: a pure function of (request, position, layer, element), the same on the
 * host and on the device, so that the check can make again what the device had made for itself.
 */
namespace serving_loop {

/** The finaliser of SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number
 *  generators", OOPSLA 2014. */
SSUGRAPH_HOST_DEVICE inline std::uint64_t mix(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

SSUGRAPH_HOST_DEVICE inline std::uint64_t pair(std::int32_t high, std::int32_t low) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(high)) << 32 |
         static_cast<std::uint32_t>(low);
}

/** A multiple of 1/128 in [-1, 1): every float type of the library holds it exactly. */
SSUGRAPH_HOST_DEVICE inline float input_value(std::int32_t request, std::int32_t position,
                                              std::int32_t layer, std::int32_t element) {
  const std::uint64_t bits = mix(mix(pair(request, position)) ^ pair(layer, element));
  return static_cast<float>(static_cast<std::int32_t>(bits >> 56) - 128) / 128;
}

/** The upper half of `value`: bf16, cut off. */
SSUGRAPH_HOST_DEVICE inline std::uint16_t to_bfloat16(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<std::uint16_t>(bits >> 16);
}

/** How many of `drafted` tokens the verification at `position` accepts: 1..drafted. */
inline std::int32_t accepted_tokens(std::int32_t request, std::int32_t position,
                                    std::int32_t drafted) {
  const std::uint64_t bits = mix(mix(pair(request, position)) ^ pair(-1, 0));
  return 1 + static_cast<std::int32_t>(bits % static_cast<std::uint64_t>(drafted));
}

/** One step's inputs of some layers. The rows of a layer follow those of the layer before. */
struct input_job {
  std::uint16_t* conv;  ///< bf16 rows of x, B, C
  std::uint16_t* dt;
  std::uint16_t* z;
  std::int32_t conv_width;
  std::int32_t dt_width;
  std::int32_t z_width;

  std::int32_t first_layer;
  std::int32_t layers;
  std::int64_t layer_rows;  ///< rows between two layers in memory

  const std::int32_t* requests;   ///< of each sequence
  const std::int32_t* positions;  ///< of each sequence's first token
  std::int32_t sequences;
  std::int32_t tokens;  ///< of each sequence

  [[nodiscard]] SSUGRAPH_HOST_DEVICE std::int32_t rows() const { return sequences * tokens; }
  [[nodiscard]] SSUGRAPH_HOST_DEVICE std::int32_t width() const {
    return conv_width + dt_width + z_width;
  }
};

/** Makes element `element` of the concatenation of the conv row, dt and z. */
SSUGRAPH_HOST_DEVICE inline void make_input(const input_job& job, std::int32_t layer,
                                            std::int32_t row, std::int32_t element) {
  const std::int32_t sequence = row / job.tokens;
  const std::int32_t token = row % job.tokens;
  const float value = input_value(job.requests[sequence], job.positions[sequence] + token,
                                  job.first_layer + layer, element);
  const std::uint16_t bfloat16 = to_bfloat16(value);

  const std::int64_t to = layer * job.layer_rows + row;
  if (element < job.conv_width) {
    job.conv[to * job.conv_width + element] = bfloat16;
    return;
  }
  element -= job.conv_width;
  if (element < job.dt_width) {
    job.dt[to * job.dt_width + element] = bfloat16;
    return;
  }
  job.z[to * job.z_width + element - job.dt_width] = bfloat16;
}

/** On the host, before it returns. */
inline void make_inputs(const input_job& job) {
  for (std::int32_t layer = 0; layer < job.layers; ++layer) {
    for (std::int32_t row = 0; row < job.rows(); ++row) {
      for (std::int32_t element = 0; element < job.width(); ++element) {
        make_input(job, layer, row, element);
      }
    }
  }
}

}  // namespace serving_loop
