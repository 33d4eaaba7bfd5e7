#ifndef SSUGRAPH_C_STATUS_H
#define SSUGRAPH_C_STATUS_H

/** @file
 *  How a call ended, and why. */

#include <ssugraph/c/export.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How a call ended. Values are contract, texts are not. */
typedef enum ssugraph_status {
  SSUGRAPH_STATUS_SUCCESS = 0,          /**< it did what it says */
  SSUGRAPH_STATUS_INVALID_ARGUMENT = 1, /**< which, what was expected, what came; nothing ran */
  SSUGRAPH_STATUS_UNSUPPORTED = 2,      /**< each backend with its reason; nothing ran */
  SSUGRAPH_STATUS_INVALID_STATE = 3,    /**< which object, its state, what fixes it; nothing ran */
  SSUGRAPH_STATUS_CUDA_ERROR = 4,       /**< the CUDA call; step and bucket if there are any */
  SSUGRAPH_STATUS_OUT_OF_MEMORY = 5,    /**< of the host or of a device */
  SSUGRAPH_STATUS_CALLBACK_FAILED = 6,  /**< a custom step's: its step, bucket and value */
  SSUGRAPH_STATUS_INTERNAL = 7          /**< a fault of the library, or of a backend's code */
} ssugraph_status;

/** The status in words, `invalid argument`; `unknown status` for any other number. Static. */
SSUGRAPH_C_API const char* ssugraph_status_string(int32_t status);

/** The full text of this thread's last call that failed, or "". Valid until its next one fails or
 *  the thread ends; "" from then on, in the destructors of static objects. */
SSUGRAPH_C_API const char* ssugraph_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
