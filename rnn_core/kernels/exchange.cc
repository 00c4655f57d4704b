// The all-reduce sum over all workers as one TensorFlow operation.
//
// Why it exists: a function of Python in the graph takes 0.2 to 0.3 ms of a training step, because
// the step has pushed the interpreter's code and data out of the caches. A step of a small model
// takes less than 1 ms. A worker's examples a second, of one process alone, on two cores with
// AVX-512 (in Python / native):
//
//   LSTM [128], stock operations   0.87 to 0.91 / 0.96
//   LSTM [32],  native layers      0.84 / 0.92
//
// `.venv/bin/python -m benchmarks workers` measures the second ones again, and with its children's
// RNN_CORE_KERNELS set to "off" or "layers" the first.

#include "exchange.h"

#include <string>
#include <vector>

#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace rnn_core {
namespace {

namespace tf = ::tensorflow;
using tf::shape_inference::InferenceContext;

REGISTER_OP("RnnCoreAllReduceSum")
    .Attr("T: {float, double}")
    .Attr("worker: int")
    .Attr("sockets: list(int)")
    .Attr("names: list(string)")
    .Attr("timeout_seconds: float")
    .Attr("spin_seconds: float")
    .Input("own: T")
    .Input("number: int64")
    .Output("total: T")
    .SetIsStateful()
    .SetShapeFn([](InferenceContext* c) {
      c->set_output(0, c->input(0));
      return absl::OkStatus();
    });

template <typename T>
class AllReduceSumOp : public tf::OpKernel {
 public:
  explicit AllReduceSumOp(tf::OpKernelConstruction* context) : OpKernel(context) {
    std::vector<int> sockets;
    std::vector<std::string> names;
    float timeout_seconds, spin_seconds;
    OP_REQUIRES_OK(context, context->GetAttr("worker", &exchange_.worker));
    OP_REQUIRES_OK(context, context->GetAttr("sockets", &sockets));
    OP_REQUIRES_OK(context, context->GetAttr("names", &names));
    OP_REQUIRES_OK(context, context->GetAttr("timeout_seconds", &timeout_seconds));
    OP_REQUIRES_OK(context, context->GetAttr("spin_seconds", &spin_seconds));
    OP_REQUIRES(context, sockets.size() == names.size(),
                absl::InvalidArgumentError("expected a socket and a name for each peer"));
    // The sockets are in the order of the workers, without one for this worker.
    for (int i = 0; i < static_cast<int>(sockets.size()); ++i)
      exchange_.peers.push_back({i < exchange_.worker ? i : i + 1, sockets[i], names[i]});
    exchange_.timeout_seconds = timeout_seconds;
    exchange_.spin_seconds = spin_seconds;
  }

  void Compute(tf::OpKernelContext* context) final {
    const tf::Tensor& own = context->input(0);
    tf::Tensor* total;
    OP_REQUIRES_OK(context, context->allocate_output(0, own.shape(), &total));
    try {
      sum_of_workers(exchange_, context->input(1).scalar<int64_t>()(), own.flat<T>().data(),
                     total->flat<T>().data(), own.NumElements());
    } catch (const ExchangeError& error) {
      // distribution/all_reduce.py finds this prefix in TensorFlow's error text.
      context->SetStatus(
          absl::UnknownError(absl::StrCat("RnnCoreAllReduceSum: ", error.what(), "\n")));
    }
  }

 private:
  Exchange exchange_;
};

REGISTER_KERNEL_BUILDER(
    Name("RnnCoreAllReduceSum").Device(tf::DEVICE_CPU).TypeConstraint<float>("T"),
    AllReduceSumOp<float>);
REGISTER_KERNEL_BUILDER(
    Name("RnnCoreAllReduceSum").Device(tf::DEVICE_CPU).TypeConstraint<double>("T"),
    AllReduceSumOp<double>);

}  // namespace
}  // namespace rnn_core
