# Adds the backend `flashinfer` to ssugraph_lib: FlashInfer's own kernels from its headers. There is a
# target ssugraph_flashinfer if it did.

set(SSUGRAPH_FLASHINFER AUTO CACHE STRING
  "Build the backend flashinfer: ON, OFF, or AUTO, where its headers can be had")
set_property(CACHE SSUGRAPH_FLASHINFER PROPERTY STRINGS AUTO ON OFF)
set(SSUGRAPH_FLASHINFER_SHAPES default CACHE STRING
  "What is compiled of FlashInfer: default, ci, or the path of a list")

# The newest that works. Its headers are all that is used: no Python at run time.
set(flashinfer_package flashinfer-python)
set(flashinfer_version 0.7.2.post1)

# Sets flashinfer_ROOT_DIR to where the package's headers lie, fetched by pip if need be, or
# flashinfer_problem to why they do not.
function(ssugraph_fetch_flashinfer)
  set(root ${PROJECT_BINARY_DIR}/flashinfer/${flashinfer_package}-${flashinfer_version})
  set(flashinfer_ROOT_DIR ${root} PARENT_SCOPE)
  if(EXISTS ${root})
    return()
  endif()

  find_package(Python3 QUIET COMPONENTS Interpreter)
  if(NOT Python3_Interpreter_FOUND)
    set(flashinfer_problem "there is no Python to fetch ${flashinfer_package} with" PARENT_SCOPE)
    return()
  endif()
  set(work ${root}.part)
  file(REMOVE_RECURSE ${work})
  set(python ${Python3_EXECUTABLE})
  execute_process(COMMAND ${python} -m pip --version RESULT_VARIABLE lacks_pip
    OUTPUT_QUIET ERROR_QUIET)
  if(lacks_pip)
    execute_process(COMMAND ${python} -m venv ${work}/venv RESULT_VARIABLE lacks_pip
      OUTPUT_QUIET ERROR_QUIET)
    set(python ${work}/venv/bin/python)
  endif()
  if(lacks_pip)
    set(flashinfer_problem "Python has neither pip nor venv to fetch ${flashinfer_package} with"
      PARENT_SCOPE)
    return()
  endif()

  message(STATUS "ssugraph: pip download ${flashinfer_package}==${flashinfer_version}")
  execute_process(
    COMMAND ${python} -m pip download --quiet --disable-pip-version-check --no-deps
            --retries 1 --timeout 20 --only-binary :all: --dest ${work}
            ${flashinfer_package}==${flashinfer_version}
    RESULT_VARIABLE failed ERROR_VARIABLE error OUTPUT_QUIET)
  file(GLOB wheel ${work}/*.whl)
  if(failed OR NOT wheel)
    string(STRIP "${error}" error)
    set(flashinfer_problem
      "pip cannot fetch ${flashinfer_package}==${flashinfer_version}: ${error}" PARENT_SCOPE)
    return()
  endif()
  file(ARCHIVE_EXTRACT INPUT ${wheel} DESTINATION ${work}/tree
    PATTERNS "flashinfer/data/include/flashinfer/*" "*.dist-info/*")
  # Last and at once: a folder of that name is whole.
  file(RENAME ${work}/tree ${root})
  file(REMOVE_RECURSE ${work})
endfunction()

# Sets `out` to those of the architectures that the kernels are for, 9.0 and later.
function(ssugraph_flashinfer_architectures out)
  set(chosen)
  foreach(architecture IN LISTS CMAKE_CUDA_ARCHITECTURES)
    if(architecture MATCHES "^(all|all-major|native)$")
      list(APPEND chosen 90)
    elseif(architecture MATCHES "^([0-9]+)" AND CMAKE_MATCH_1 GREATER_EQUAL 90)
      list(APPEND chosen ${architecture})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES chosen)
  set(${out} ${chosen} PARENT_SCOPE)
endfunction()

# Sets `out` to the C++ type of a dtype, or fails if it is none of `allowed`.
function(ssugraph_flashinfer_type out dtype where)
  set(float32 float)
  set(float16 __half)
  set(bfloat16 __nv_bfloat16)
  set(int16 std::int16_t)
  set(int32 std::int32_t)
  set(int64 std::int64_t)
  if(NOT dtype IN_LIST ARGN)
    string(REPLACE ";" ", " allowed "${ARGN}")
    message(FATAL_ERROR "${where}: '${dtype}' is none of ${allowed}")
  endif()
  set(${out} ${${dtype}} PARENT_SCOPE)
endfunction()

# Writes the sources of each line of the list `path`; sets `out` to their names.
function(ssugraph_flashinfer_sources out path)
  set(templates ${PROJECT_SOURCE_DIR}/lib/ops/ssu/backends/flashinfer)
  set(folder ${PROJECT_BINARY_DIR}/flashinfer/generated)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
  set(floats float32 float16 bfloat16)
  set(integers int32 int64)
  set(sources)
  set(declarations)
  set(entries)
  set(number 0)
  file(READ ${path} lines)
  string(REGEX REPLACE "#[^\n]*" "" lines "${lines}")
  string(REPLACE "\n" ";" lines "${lines}")
  foreach(line IN LISTS lines)
    math(EXPR number "${number} + 1")
    string(STRIP "${line}" line)
    if(line STREQUAL "")
      continue()
    endif()
    set(where "${path}:${number}")
    separate_arguments(fields UNIX_COMMAND "${line}")
    list(LENGTH fields count)
    if(NOT count EQUAL 10)
      message(FATAL_ERROR "${where}: expected 10 columns, got ${count}")
    endif()
    list(GET fields 0 dim)
    list(GET fields 1 dstate)
    list(GET fields 2 state)
    list(GET fields 3 io)
    list(GET fields 4 weights)
    list(GET fields 5 A)
    list(GET fields 6 index)
    list(GET fields 7 tokens)
    list(GET fields 8 philox_rounds)
    list(GET fields 9 counts)
    foreach(size IN ITEMS dim dstate tokens philox_rounds)
      if(NOT ${size} MATCHES "^[0-9]+$")
        message(FATAL_ERROR "${where}: ${size} is a number, not '${${size}}'")
      endif()
    endforeach()
    math(EXPR dim_rest "${dim} % 16")
    math(EXPR dstate_rest "${dstate} % 32")
    if(dim_rest OR dstate_rest OR dim LESS 32 OR dstate LESS 32 OR dstate GREATER 256)
      message(FATAL_ERROR
        "${where}: dim is a multiple of 16, 32 or more; dstate one of 32, up to 256")
    endif()
    if(tokens LESS 1 OR tokens GREATER 128)
      message(FATAL_ERROR "${where}: tokens are 1 to 128")
    endif()
    if(philox_rounds GREATER 0 AND
        (philox_rounds LESS 3 OR philox_rounds GREATER 10 OR NOT state STREQUAL float16))
      message(FATAL_ERROR "${where}: Philox rounds are 0, or 3 to 10 where state is float16")
    endif()
    ssugraph_flashinfer_type(state_type ${state} ${where} ${floats} int16)
    ssugraph_flashinfer_type(io_type ${io} ${where} ${floats})
    ssugraph_flashinfer_type(weights_type ${weights} ${where} ${floats})
    ssugraph_flashinfer_type(A_type ${A} ${where} ${floats})
    ssugraph_flashinfer_type(index_type ${index} ${where} ${integers})
    ssugraph_flashinfer_type(counts_type ${counts} ${where} ${integers})

    string(JOIN _ name ${fields})
    set(source ${folder}/${name}.cu)
    if(source IN_LIST sources)
      message(FATAL_ERROR "${where}: '${line}' is there twice")
    endif()
    configure_file(${templates}/specialization.cu.in ${source} @ONLY)
    list(APPEND sources ${source})
    string(APPEND declarations
      "void launch_flashinfer_${name}(const flashinfer_call&, stream_handle);\n")
    string(APPEND entries
      "      {{.dim = ${dim}, .dstate = ${dstate}, .state = dtype::${state}, .io = dtype::${io}, "
      ".weights = dtype::${weights}, .A = dtype::${A}, .index = dtype::${index}, "
      ".tokens = ${tokens}, .philox_rounds = ${philox_rounds}, .counts = dtype::${counts}}, "
      "&launch_flashinfer_${name}},\n")
  endforeach()
  if(NOT sources)
    message(FATAL_ERROR "${path}: no shape in it")
  endif()
  configure_file(${templates}/specializations.cpp.in ${folder}/specializations.cpp @ONLY)
  set(${out} ${sources} ${folder}/specializations.cpp PARENT_SCOPE)
endfunction()

function(ssugraph_add_flashinfer)
  set(flashinfer_problem)
  ssugraph_flashinfer_architectures(architectures)
  if(NOT architectures)
    set(flashinfer_problem "CMAKE_CUDA_ARCHITECTURES has none of 9.0 or later")
  else()
    find_package(FlashInfer QUIET)
    if(NOT FlashInfer_FOUND)
      ssugraph_fetch_flashinfer()
      if(NOT flashinfer_problem)
        set(FlashInfer_ROOT ${flashinfer_ROOT_DIR})
        find_package(FlashInfer QUIET)
        if(NOT FlashInfer_FOUND)
          set(flashinfer_problem "${flashinfer_ROOT_DIR} lacks the Mamba kernels")
        endif()
      endif()
    endif()
  endif()
  if(flashinfer_problem AND SSUGRAPH_FLASHINFER STREQUAL AUTO)
    message(STATUS "ssugraph: without the backend flashinfer: ${flashinfer_problem}")
    return()
  elseif(flashinfer_problem)
    message(FATAL_ERROR "SSUGRAPH_FLASHINFER is ON, but ${flashinfer_problem}")
  endif()

  set(shapes ${SSUGRAPH_FLASHINFER_SHAPES})
  if(shapes STREQUAL default)
    set(shapes ${PROJECT_SOURCE_DIR}/lib/ops/ssu/backends/flashinfer/shapes.txt)
  elseif(shapes STREQUAL ci)
    set(shapes ${PROJECT_SOURCE_DIR}/lib/ops/ssu/backends/flashinfer/shapes_ci.txt)
  endif()
  get_filename_component(shapes ${shapes} ABSOLUTE BASE_DIR ${CMAKE_SOURCE_DIR})
  ssugraph_flashinfer_sources(generated ${shapes})
  list(LENGTH generated count)
  math(EXPR count "${count} - 1")
  message(STATUS "ssugraph: backend flashinfer ${FlashInfer_VERSION} in ${count} variants for "
    "${architectures}, from ${shapes}")

  set(source_dir ${PROJECT_SOURCE_DIR}/lib/ops/ssu/backends/flashinfer)
  add_library(ssugraph_flashinfer OBJECT
    ${source_dir}/driver.cpp
    ${source_dir}/flashinfer.cpp
    ${source_dir}/limits.cpp
    ${source_dir}/null_rows.cu
    ${source_dir}/plan.cpp
    ${generated})
  ssugraph_library_settings(ssugraph_flashinfer)
  set_target_properties(ssugraph_flashinfer PROPERTIES CUDA_ARCHITECTURES "${architectures}")
  target_include_directories(ssugraph_flashinfer PRIVATE
    ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
  target_compile_definitions(ssugraph_flashinfer PRIVATE FLASHINFER_ENABLE_BF16)
  target_compile_options(ssugraph_flashinfer PRIVATE
    $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr>)
  target_link_libraries(ssugraph_flashinfer PRIVATE FlashInfer::FlashInfer CUDA::cudart_static)

  target_sources(ssugraph_lib PRIVATE $<TARGET_OBJECTS:ssugraph_flashinfer>)
  target_compile_definitions(ssugraph_lib PRIVATE SSUGRAPH_HAS_FLASHINFER=1)
endfunction()

if(NOT SSUGRAPH_FLASHINFER STREQUAL OFF)
  ssugraph_add_flashinfer()
endif()
