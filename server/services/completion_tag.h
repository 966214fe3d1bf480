#ifndef ROUTER_SERVER_SERVICES_COMPLETION_TAG_H_
#define ROUTER_SERVER_SERVICES_COMPLETION_TAG_H_

namespace router {

// What a completion queue hands back when one of a call's operations is done.
class CompletionTag {
 public:
  virtual ~CompletionTag() = default;
  // `ok` as CompletionQueue::Next gives it. May delete the tag.
  virtual void Complete(bool ok) = 0;
};

// A tag that calls a member function of its owner.
template <typename Owner>
class MemberTag final : public CompletionTag {
 public:
  using Handler = void (Owner::*)(bool ok);
  MemberTag(Owner* owner, Handler handler) : owner_(owner), handler_(handler) {}
  void Complete(bool ok) override { (owner_->*handler_)(ok); }

 private:
  Owner* const owner_;
  const Handler handler_;
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_COMPLETION_TAG_H_
