/* Tensors in files, for tests: of fixtures that other libraries have made, and of files that a test has
 * written. */
#ifndef CJ_TEST_STORED_H
#define CJ_TEST_STORED_H

#include "support.h"

#include "cajal/io.h"

/* Element `i`, whatever its type. */
double cj_test_element(const cj_tensor *tensor, int64_t i);
/* The tensor named so, which the file has (else the test fails) and owns. */
cj_tensor cj_test_tensor(cj_tensor_file *file, const char *name);
/* The fixture's `row.what`; its data are the caller's to free. */
cj_tensor cj_test_stored(cj_tensor_file *fixture, const char *row, const char *what);
/* Fails where a value lies further than tolerance · (1 + |wanted|) from the fixture's `row.what`, or `row`
 * where `what` is "". */
void cj_test_expect_near(cj_tensor_file *fixture, const char *row, const char *what, const float *found,
                         double tolerance);

#endif
