# The kernels of the native backend: a source for each format of the state, tied or untied, one token
# a sequence or many, and one for each format that is checkpointed. CUDA loads a source's kernels together, on first use of one, and a model needs
# those of one source.

# Writes the sources and sets `out` to their names.
function(ssugraph_native_kernels out)
  set(sources)
  foreach(format IN ITEMS
      float32 float16 bfloat16 rounded_float16 rounded_bfloat16
      int16 int8 float8_e4m3 rounded_int16 rounded_int8 rounded_float8_e4m3)
    set(rounding false)
    if(format MATCHES "^rounded_")
      set(rounding true)
    endif()
    string(REPLACE "rounded_" "" state ${format})
    set(source ${PROJECT_BINARY_DIR}/native/${format}_checkpointed.cu)
    configure_file(
      ${PROJECT_SOURCE_DIR}/lib/ops/ssu/backends/native/find_ring_kernel.cu.in ${source} @ONLY)
    list(APPEND sources ${source})
    foreach(layout IN ITEMS tied untied)
      foreach(tokens IN ITEMS one many)
        string(REPLACE untied false tied ${layout})
        string(REPLACE tied true tied ${tied})
        string(REPLACE one true one_token ${tokens})
        string(REPLACE many false one_token ${one_token})
        set(source ${PROJECT_BINARY_DIR}/native/${format}_${layout}_${tokens}.cu)
        configure_file(${PROJECT_SOURCE_DIR}/lib/ops/ssu/backends/native/find_kernel.cu.in ${source} @ONLY)
        list(APPEND sources ${source})
      endforeach()
    endforeach()
  endforeach()
  set(${out} ${sources} PARENT_SCOPE)
endfunction()
