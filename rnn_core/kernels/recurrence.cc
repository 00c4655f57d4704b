// The TensorFlow operations of the native recurrent layer.
//
// Why it exists: a step of a recurrent layer is a small product and a few activations. As stock
// operations it costs more in calls and in memory traffic than in arithmetic, and steps that are
// padding cost as much as real ones. Here a layer is one operation and its gradient another, which
// compute real steps only, at 60 to 80 % of what the cores can multiply and add. A whole training
// step, with all that is not the layer, beside the stock operations, on two busy cores with AVX2
// (stock / native):
//
//   S  LSTM [32],  B = 32, T = 100,      F = 16    1.6
//   M  LSTM [128], B = 64, T = 50,       F = 32    3.2
//   R  GRU [64],   B = 32, T = 5 to 200, F = 16    6.7
//   V  LSTM [64],  B = 32, T = 7 to 29,  F = 12    2.1
//
// `.venv/bin/python -m benchmarks step` measures them again. What computes is in recurrence.h.

#include "recurrence.h"

#include <new>
#include <string>
#include <vector>

#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace rnn_core {
namespace {

namespace tf = ::tensorflow;
using tf::shape_inference::DimensionHandle;
using tf::shape_inference::InferenceContext;
using tf::shape_inference::ShapeHandle;

REGISTER_OP("RnnCoreLayer")
    .Attr("cell: {'simple_rnn_cell', 'lstm_cell', 'gru_cell'}")
    .Attr("wanted: {'steps', 'last', 'mean', 'max', 'mean_max'}")
    .Input("inputs: float")
    .Input("mask: bool")
    .Input("kernel: float")
    .Input("recurrent_kernel: float")
    .Input("bias: float")
    .Output("output: float")
    .Output("saved: float")
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle inputs, mask, recurrent;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 3, &inputs));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 2, &mask));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(3), 2, &recurrent));
      DimensionHandle batch, time;
      TF_RETURN_IF_ERROR(c->Merge(c->Dim(inputs, 0), c->Dim(mask, 0), &batch));
      TF_RETURN_IF_ERROR(c->Merge(c->Dim(inputs, 1), c->Dim(mask, 1), &time));
      std::string output;
      TF_RETURN_IF_ERROR(c->GetAttr("wanted", &output));
      const DimensionHandle units = c->Dim(recurrent, 0);
      DimensionHandle width = units;
      if (output == "mean_max") TF_RETURN_IF_ERROR(c->Multiply(units, 2, &width));
      c->set_output(0, output == "steps" ? c->MakeShape({batch, time, units})
                                         : c->Matrix(batch, width));
      c->set_output(1, c->UnknownShapeOfRank(1));
      return absl::OkStatus();
    });

REGISTER_OP("RnnCoreLayerGradient")
    .Attr("cell: {'simple_rnn_cell', 'lstm_cell', 'gru_cell'}")
    .Attr("wanted: {'steps', 'last', 'mean', 'max', 'mean_max'}")
    .Attr("of_inputs: bool")
    .Input("mask: bool")
    .Input("kernel: float")
    .Input("recurrent_kernel: float")
    .Input("saved: float")
    .Input("d_output: float")
    .Output("d_inputs: float")
    .Output("d_kernel: float")
    .Output("d_recurrent_kernel: float")
    .Output("d_bias: float")
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle mask, kernel, recurrent;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 2, &mask));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 2, &kernel));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(2), 2, &recurrent));
      std::string cell;
      TF_RETURN_IF_ERROR(c->GetAttr("cell", &cell));
      bool of_inputs;
      TF_RETURN_IF_ERROR(c->GetAttr("of_inputs", &of_inputs));
      const DimensionHandle total = c->Dim(recurrent, 1);
      c->set_output(0, of_inputs ? c->MakeShape({c->Dim(mask, 0), c->Dim(mask, 1), c->Dim(kernel, 0)})
                                 : c->MakeShape({0, 0, 0}));
      c->set_output(1, kernel);
      c->set_output(2, recurrent);
      c->set_output(3, cell == "gru_cell" ? c->MakeShape({2, total}) : c->Vector(total));
      return absl::OkStatus();
    });

// What both operations read and check: the shape, and how to get threads and memory.
class LayerKernel : public tf::OpKernel {
 public:
  explicit LayerKernel(tf::OpKernelConstruction* context) : OpKernel(context) {
    std::string cell;
    OP_REQUIRES_OK(context, context->GetAttr("cell", &cell));
    std::string output;
    OP_REQUIRES_OK(context, context->GetAttr("wanted", &output));
    output_ = output == "steps"  ? Output::kSteps
              : output == "last" ? Output::kLast
              : output == "mean" ? Output::kMean
              : output == "max"  ? Output::kMax
                                 : Output::kMeanMax;
    kind_ = cell == "lstm_cell"  ? Kind::kLstm
            : cell == "gru_cell" ? Kind::kGru
                                 : Kind::kSimple;
  }

  void Compute(tf::OpKernelContext* context) final {
    try {
      Run(context);
    } catch (const std::bad_alloc&) {
      context->SetStatus(absl::ResourceExhaustedError("RnnCoreLayer: out of memory"));
    }
  }

 protected:
  virtual void Run(tf::OpKernelContext* context) const = 0;

  Shape shape_of(const tf::Tensor& mask, const tf::Tensor& kernel,
                 const tf::Tensor& recurrent) const {
    return {kind_,           mask.dim_size(0),      mask.dim_size(1), kernel.dim_size(0),
            recurrent.dim_size(0), output_, instructions().width};
  }

  static absl::Status check_ranks(const tf::Tensor& mask, const tf::Tensor& kernel,
                                const tf::Tensor& recurrent) {
    if (mask.dims() == 2 && kernel.dims() == 2 && recurrent.dims() == 2 &&
        recurrent.dim_size(0) > 0)
      return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "RnnCoreLayer: expected mask [B, T], kernel [F, G] and recurrent_kernel [H, G] with H > 0, "
        "got ", mask.shape().DebugString(), ", ", kernel.shape().DebugString(), " and ",
        recurrent.shape().DebugString()));
  }

  static absl::Status check(const char* name, const tf::Tensor& found, const tf::TensorShape& wanted) {
    if (found.shape() == wanted) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("RnnCoreLayer: expected ", name, " ",
                                                   wanted.DebugString(), ", got ",
                                                   found.shape().DebugString()));
  }

  static const float* data(const tf::Tensor& tensor) { return tensor.flat<float>().data(); }
  static float* data(tf::Tensor* tensor) { return tensor->flat<float>().data(); }

  static tf::TensorShape bias_shape(const Shape& s) {
    const int64_t total = s.gates() * s.units;
    return s.biases() == 2 ? tf::TensorShape({2, total}) : tf::TensorShape({total});
  }

  static tf::TensorShape output_shape(const Shape& s) {
    return s.sequences() ? tf::TensorShape({s.batch, s.time, s.units})
                         : tf::TensorShape({s.batch, s.output_width()});
  }

  // The threads of the device, and memory in `temporary`; that throws std::bad_alloc.
  static Machine machine(tf::OpKernelContext* context, std::vector<tf::Tensor>* temporary) {
    auto* pool = context->device()->tensorflow_cpu_worker_threads()->workers;
    const auto parallel = [pool](int64_t count, const std::function<void(int64_t)>& work) {
      if (count == 0) return;
      pool->TransformRangeConcurrently(1, count, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) work(i);
      });
    };
    const auto allocate = [context, temporary](int64_t count) {
      tf::Tensor& made = temporary->emplace_back();
      if (!context->allocate_temp(tf::DT_FLOAT, {count}, &made).ok()) throw std::bad_alloc();
      return made.flat<float>().data();
    };
    return {instructions(), parallel, allocate};
  }

 private:
  Kind kind_;
  Output output_;
};

class LayerOp : public LayerKernel {
 public:
  using LayerKernel::LayerKernel;

  void Run(tf::OpKernelContext* context) const override {
    const tf::Tensor &inputs = context->input(0), &mask = context->input(1);
    const tf::Tensor &kernel = context->input(2), &recurrent = context->input(3);
    const tf::Tensor& bias = context->input(4);
    OP_REQUIRES_OK(context, check_ranks(mask, kernel, recurrent));
    const Shape s = shape_of(mask, kernel, recurrent);
    const int64_t total = s.gates() * s.units;
    OP_REQUIRES_OK(context, check("inputs", inputs, {s.batch, s.time, s.features}));
    OP_REQUIRES_OK(context, check("kernel", kernel, {s.features, total}));
    OP_REQUIRES_OK(context, check("recurrent_kernel", recurrent, {s.units, total}));
    OP_REQUIRES_OK(context, check("bias", bias, bias_shape(s)));
    const Plan plan = make_plan(mask.flat<bool>().data(), s.batch, s.time);
    tf::Tensor *output, *saved;
    OP_REQUIRES_OK(context, context->allocate_output(0, output_shape(s), &output));
    OP_REQUIRES_OK(context,
                   context->allocate_output(1, {s.saved_size(plan.packed())}, &saved));
    std::vector<tf::Tensor> temporary;
    run_forward(machine(context, &temporary), s, plan, data(inputs),
                {data(kernel), data(recurrent), data(bias)}, data(output), data(saved));
  }
};

class LayerGradientOp : public LayerKernel {
 public:
  explicit LayerGradientOp(tf::OpKernelConstruction* context) : LayerKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("of_inputs", &of_inputs_));
  }

  void Run(tf::OpKernelContext* context) const override {
    const tf::Tensor &mask = context->input(0), &kernel = context->input(1);
    const tf::Tensor &recurrent = context->input(2), &saved = context->input(3);
    const tf::Tensor& d_output = context->input(4);
    OP_REQUIRES_OK(context, check_ranks(mask, kernel, recurrent));
    const Shape s = shape_of(mask, kernel, recurrent);
    const int64_t total = s.gates() * s.units;
    OP_REQUIRES_OK(context, check("kernel", kernel, {s.features, total}));
    OP_REQUIRES_OK(context, check("recurrent_kernel", recurrent, {s.units, total}));
    OP_REQUIRES_OK(context, check("d_output", d_output, output_shape(s)));
    const Plan plan = make_plan(mask.flat<bool>().data(), s.batch, s.time);
    OP_REQUIRES_OK(context, check("saved", saved, {s.saved_size(plan.packed())}));
    tf::Tensor *d_inputs, *d_kernel, *d_recurrent, *d_bias;
    tf::TensorShape inputs_shape({0, 0, 0});
    if (of_inputs_) inputs_shape = tf::TensorShape({s.batch, s.time, s.features});
    OP_REQUIRES_OK(context, context->allocate_output(0, inputs_shape, &d_inputs));
    OP_REQUIRES_OK(context, context->allocate_output(1, kernel.shape(), &d_kernel));
    OP_REQUIRES_OK(context, context->allocate_output(2, recurrent.shape(), &d_recurrent));
    OP_REQUIRES_OK(context, context->allocate_output(3, bias_shape(s), &d_bias));
    std::vector<tf::Tensor> temporary;
    run_backward(machine(context, &temporary), s, plan, {data(kernel), data(recurrent), nullptr},
                 overwritable(context, &temporary), data(d_output),
                 {of_inputs_ ? data(d_inputs) : nullptr, data(d_kernel), data(d_recurrent),
                  data(d_bias)});
  }

 private:
  // What was saved; a copy, if another operation may read it later.
  static float* overwritable(tf::OpKernelContext* context, std::vector<tf::Tensor>* temporary) {
    const tf::Tensor& saved = context->input(3);
    tf::Tensor& made = temporary->emplace_back();
    if (!context->forward_input_or_allocate_temp({3}, tf::DT_FLOAT, saved.shape(), &made).ok())
      throw std::bad_alloc();
    if (!made.SharesBufferWith(saved))
      std::copy_n(data(saved), saved.NumElements(), data(&made));
    return data(&made);
  }

  bool of_inputs_;
};

REGISTER_KERNEL_BUILDER(Name("RnnCoreLayer").Device(tf::DEVICE_CPU), LayerOp);
REGISTER_KERNEL_BUILDER(Name("RnnCoreLayerGradient").Device(tf::DEVICE_CPU), LayerGradientOp);

}  // namespace
}  // namespace rnn_core
