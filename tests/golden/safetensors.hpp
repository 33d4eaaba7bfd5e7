#pragma once

#include <ssugraph/tensor_view.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace ssugraph::test {

/** A safetensors file: 8 bytes of header length, a JSON header, the tensors' bytes. */
class safetensors_file {
 public:
  struct tensor {
    ssugraph::dtype dtype = ssugraph::dtype::float32;
    std::vector<std::int64_t> shape;
    std::span<const std::byte> bytes;  ///< lives as long as the file object
  };

  /** Throws std::runtime_error with the path where the file is malformed. */
  explicit safetensors_file(const std::filesystem::path& path);

  [[nodiscard]] const tensor& at(const std::string& name) const;
  [[nodiscard]] bool contains(const std::string& name) const { return tensors_.contains(name); }
  /** Element `i` of a tensor, in order; float64 tensors have no other way in. */
  [[nodiscard]] double element(const std::string& name, std::size_t i) const;
  /** An entry of `__metadata__`. */
  [[nodiscard]] std::string metadata(const std::string& key) const;

 private:
  std::filesystem::path path_;
  std::vector<char> content_;
  nlohmann::json header_;
  std::map<std::string, tensor> tensors_;
  std::map<std::string, std::span<const std::byte>> doubles_;
};

}  // namespace ssugraph::test
