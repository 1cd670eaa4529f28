//! Views that weigh less: a page ships only the ways of bringing itself to life that it uses.
//!
//! A type-erased view brings code for all of them: built anew, hydrated at once, hydrated piece by piece. The last one
//! is used nowhere here, and most screens are never in the server's HTML. Without them the client is a tenth smaller.

use leptos::prelude::*;
use leptos::tachys::html::attribute::Attribute;
use leptos::tachys::html::attribute::any_attribute::AnyAttribute;
use leptos::tachys::hydration::Cursor;
use leptos::tachys::ssr::StreamBuilder;
use leptos::tachys::view::{Position, PositionState};

/// A view without the ways it does not need. `SERVED` says whether it is ever in the server's HTML.
struct Light<V, const SERVED: bool>(V);

/// Erases the type of a view that the server may have rendered.
pub(crate) fn served(view: impl IntoView + 'static) -> AnyView {
    Light::<_, true>(view).into_any()
}

/// Erases the type of a view that only ever appears later.
pub(crate) fn later(view: impl IntoView + 'static) -> AnyView {
    Light::<_, false>(view).into_any()
}

impl<V: Render, const SERVED: bool> Render for Light<V, SERVED> {
    type State = V::State;

    fn build(self) -> Self::State {
        self.0.build()
    }

    fn rebuild(self, state: &mut Self::State) {
        self.0.rebuild(state);
    }
}

impl<V: RenderHtml + 'static, const SERVED: bool> AddAnyAttr for Light<V, SERVED> {
    type Output<A: Attribute> = Self;

    // Screens are whole: nobody spreads attributes over them.
    fn add_any_attr<A: Attribute>(self, _: A) -> Self::Output<A> {
        self
    }
}

impl<V: RenderHtml + 'static, const SERVED: bool> RenderHtml for Light<V, SERVED> {
    type AsyncOutput = V::AsyncOutput;
    type Owned = Self;

    const MIN_LENGTH: usize = V::MIN_LENGTH;
    const EXISTS: bool = V::EXISTS;

    fn dry_resolve(&mut self) {
        self.0.dry_resolve();
    }

    async fn resolve(self) -> Self::AsyncOutput {
        self.0.resolve().await
    }

    fn html_len(&self) -> usize {
        self.0.html_len()
    }

    fn to_html_with_buf(
        self,
        buf: &mut String,
        position: &mut Position,
        escape: bool,
        mark_branches: bool,
        extra_attrs: Vec<AnyAttribute>,
    ) {
        self.0.to_html_with_buf(buf, position, escape, mark_branches, extra_attrs);
    }

    fn to_html_async_with_buf<const OUT_OF_ORDER: bool>(
        self,
        buf: &mut StreamBuilder,
        position: &mut Position,
        escape: bool,
        mark_branches: bool,
        extra_attrs: Vec<AnyAttribute>,
    ) {
        self.0.to_html_async_with_buf::<OUT_OF_ORDER>(buf, position, escape, mark_branches, extra_attrs);
    }

    fn hydrate<const FROM_SERVER: bool>(self, cursor: &Cursor, position: &PositionState) -> Self::State {
        if SERVED { self.0.hydrate::<FROM_SERVER>(cursor, position) } else { self.0.build() }
    }

    fn into_owned(self) -> Self::Owned {
        self
    }
}
