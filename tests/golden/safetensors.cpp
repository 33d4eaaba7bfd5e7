#include "tests/golden/safetensors.hpp"

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace ssugraph::test {
namespace {

dtype dtype_named(const std::string& name) {
  static const std::map<std::string, dtype> dtypes{{"F32", dtype::float32},
                                                   {"F16", dtype::float16},
                                                   {"BF16", dtype::bfloat16},
                                                   {"I32", dtype::int32},
                                                   {"I64", dtype::int64}};
  return dtypes.at(name);
}

}  // namespace

safetensors_file::safetensors_file(const std::filesystem::path& path) : path_{path} {
  std::ifstream stream{path, std::ios::binary};
  content_.assign(std::istreambuf_iterator<char>{stream}, {});
  std::uint64_t header_size = 0;
  const auto malformed = [&](const std::string& why) {
    return std::runtime_error{path.string() + ": " + why};
  };
  if (content_.size() < sizeof header_size) throw malformed("no header length");
  std::memcpy(&header_size, content_.data(), sizeof header_size);
  if (header_size > content_.size() - sizeof header_size) throw malformed("truncated header");
  const char* header = content_.data() + sizeof header_size;
  header_ = nlohmann::json::parse(header, header + header_size);
  const auto* bytes = reinterpret_cast<const std::byte*>(header + header_size);
  const std::size_t available = content_.size() - sizeof header_size - header_size;
  for (const auto& [name, entry] : header_.items()) {
    if (name == "__metadata__") continue;
    const std::size_t begin = entry.at("data_offsets").at(0);
    const std::size_t end = entry.at("data_offsets").at(1);
    if (begin > end || end > available) throw malformed("truncated tensor " + name);
    tensors_[name] = {dtype_named(entry.at("dtype")), {bytes + begin, end - begin}};
  }
}

const safetensors_file::tensor& safetensors_file::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw std::runtime_error{path_.string() + ": no tensor " + name};
  return found->second;
}

std::string safetensors_file::metadata(const std::string& key) const {
  return header_.at("__metadata__").at(key);
}

}  // namespace ssugraph::test
