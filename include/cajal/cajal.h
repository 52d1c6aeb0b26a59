/* Cajal: deep learning in C. This header includes the whole public interface.
 *
 *   base.h      status, element types, shapes, tensors, memory
 */
#ifndef CAJAL_H
#define CAJAL_H

#include "cajal/attention.h"
#include "cajal/base.h"
#include "cajal/data.h"
#include "cajal/explain.h"
#include "cajal/generate.h"
#include "cajal/graph.h"
#include "cajal/image.h"
#include "cajal/io.h"
#include "cajal/kernels.h"
#include "cajal/classify.h"
#include "cajal/language.h"
#include "cajal/ops.h"
#include "cajal/program.h"
#include "cajal/report.h"
#include "cajal/sets.h"
#include "cajal/text.h"
#include "cajal/train.h"
#include "cajal/recipe.h"
#include "cajal/model.h"
#include "cajal/models.h"
#include "cajal/nn.h"
#include "cajal/sequence.h"
#include "cajal/vision.h"

#endif
