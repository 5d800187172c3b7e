//! Puts every mutant of a file into its text, each with a switch: the program is compiled once,
//! and an environment variable selects the mutant that is live.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use anyhow::{Context as _, Result};
use proc_macro2::LineColumn;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, ReturnType, Signature, UnOp};

use crate::listed::{Genre, Mutant, Point};

/// The text of a file with its mutants.
#[derive(Debug, Default)]
pub struct Switched {
    pub text: String,
    /// The bytes of `text` that are a mutant's alone: an error there is the mutant's.
    pub regions: Vec<(Range<usize>, u32)>,
    /// Mutants without a switch, because the compiler evaluates their code or needs another type: each
    /// takes a build of its own.
    pub alone: Vec<u32>,
    /// Mutants that cannot compile.
    pub unviable: Vec<u32>,
}

/// A change of the text. Changes are nested like the expressions that they are about.
struct Edit {
    range: Range<usize>,
    /// Texts before what is in `range`, those of a mutant with its number.
    head: Vec<(String, Option<u32>)>,
    tail: &'static str,
    /// True if what is in `range` goes.
    removes: bool,
}

impl Edit {
    fn order(&self) -> (usize, bool, std::cmp::Reverse<usize>) {
        (self.range.start, !self.range.is_empty(), std::cmp::Reverse(self.range.end))
    }
}

fn on(id: u32) -> String {
    format!("crate::mutant_switch::on({id})")
}

struct Planner<'a> {
    text: &'a str,
    wanted: HashMap<(Genre, Point), Vec<&'a Mutant>>,
    /// Functions that are evaluated by the compiler somewhere, by name.
    constant: &'a BTreeSet<String>,
    /// Above zero in code that the compiler evaluates.
    depth: usize,
    /// The row of a table that is visited: its name, and the bytes of its value.
    row: Option<(String, Range<usize>)>,
    /// Rows with a mutant: its number, the name of the row, the value with the mutant.
    rows: Vec<(u32, String, String)>,
    edits: Vec<Edit>,
    switched: Switched,
}

/// Puts `mutants` into `text`. Functions named in `constant` stay constant; others are no longer.
pub fn switch(text: &str, mutants: &[&Mutant], constant: &BTreeSet<String>) -> Result<Switched> {
    let mut wanted = HashMap::<_, Vec<_>>::new();
    for mutant in mutants {
        wanted.entry((mutant.genre, mutant.span.start)).or_default().push(*mutant);
    }
    let file = syn::parse_file(text)?;
    let mut planner = Planner {
        text,
        wanted,
        constant,
        depth: 0,
        row: None,
        rows: Vec::new(),
        edits: Vec::new(),
        switched: Switched::default(),
    };
    planner.visit_file(&file);
    planner.edits.sort_by_key(Edit::order);
    let Planner { edits, mut switched, wanted, rows, .. } = planner;
    // A mutant that was not met stands where the visitor does not go, such as in a pattern.
    switched.alone.extend(wanted.into_values().flatten().map(|mutant| mutant.id));
    let mut next = 0;
    render(text, &edits, 0..text.len(), &mut next, &mut switched).context("edits overlap")?;
    write_rows(&rows, &mut switched);
    Ok(switched)
}

/// The type of the rows that a table has as statics.
const ROW: &str = "Driver";

/// Adds each row with a mutant as another static, and a function that takes it in the place of the row. The
/// compiler evaluates a static, so it has no switch inside.
fn write_rows(rows: &[(u32, String, String)], switched: &mut Switched) {
    let mut choices = String::new();
    for (id, name, value) in rows {
        let start = switched.text.len();
        switched.text.push_str(&format!("\nstatic {name}_{id}: {ROW} = {value};\n"));
        switched.regions.push((start..switched.text.len(), *id));
        choices +=
            &format!("if std::ptr::eq(row, &raw const {name}) && {} {{ return &{name}_{id}; }}\n", on(*id));
    }
    if !rows.is_empty() {
        switched.text.push_str(&format!(
            "\npub(super) fn {LIVE_ROW}(row: &'static {ROW}) -> &'static {ROW} {{\n{choices}row\n}}\n"
        ));
    }
}

/// The function that takes the row with the mutant.
pub const LIVE_ROW: &str = "live_row";

/// Writes `range` of the text with the edits inside it.
fn render(
    text: &str,
    edits: &[Edit],
    range: Range<usize>,
    next: &mut usize,
    switched: &mut Switched,
) -> Option<()> {
    let mut at = range.start;
    while let Some(edit) = edits.get(*next).filter(|edit| edit.range.end <= range.end) {
        *next += 1;
        switched.text.push_str(text.get(at..edit.range.start)?);
        for (piece, id) in &edit.head {
            let start = switched.text.len();
            switched.text.push_str(piece);
            if let Some(id) = id {
                switched.regions.push((start..switched.text.len(), *id));
            }
        }
        if !edit.removes {
            render(text, edits, edit.range.clone(), next, switched)?;
        }
        switched.text.push_str(edit.tail);
        at = edit.range.end;
    }
    switched.text.push_str(text.get(at..range.end)?);
    Some(())
}

fn point(place: LineColumn) -> Point {
    Point { line: place.line, column: place.column + 1 }
}

/// Returns true if `expression` is a condition with `let`, which takes `&&` only.
fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) => {
            matches!(binary.op, BinOp::And(_)) && (has_let(&binary.left) || has_let(&binary.right))
        }
        _ => false,
    }
}

impl Planner<'_> {
    fn take(&mut self, genre: Genre, place: LineColumn) -> Vec<(u32, String)> {
        let found = self.wanted.remove(&(genre, point(place))).unwrap_or_default();
        let found: Vec<_> = found.iter().map(|mutant| (mutant.id, mutant.replacement.clone())).collect();
        if self.depth > 0 {
            self.switched.alone.extend(found.iter().map(|(id, _)| *id));
            return Vec::new();
        }
        found
    }

    /// Puts a choice in the place of an expression: one of `variants`, else itself.
    fn choose(&mut self, range: Range<usize>, variants: Vec<(u32, String)>) {
        let mut head = vec![("(".to_owned(), None)];
        for (id, text) in variants {
            head.push((format!("if {} ", on(id)), None));
            head.push((format!("{{ {text} }}"), Some(id)));
            head.push((" else ".to_owned(), None));
        }
        if head.len() > 1 {
            head.push(("{ ".to_owned(), None));
            self.edits.push(Edit { range, head, tail: " })", removes: false });
        }
    }

    fn constantly(&mut self, is_constant: bool, look: impl FnOnce(&mut Self)) {
        self.depth += usize::from(is_constant);
        look(self);
        self.depth -= usize::from(is_constant);
    }

    /// Makes a constant function one that is not, and returns true if it has to stay.
    fn stays_constant(&mut self, signature: &Signature) -> bool {
        let Some(token) = signature.constness else { return false };
        let stays = self.constant.contains(&signature.ident.to_string());
        if !stays {
            let range = token.span.byte_range();
            self.edits.push(Edit { range, head: Vec::new(), tail: "", removes: true });
        }
        stays
    }

    fn function(&mut self, signature: &Signature, block: &syn::Block) {
        let (Some(first), Some(last)) = (block.stmts.first(), block.stmts.last()) else { return };
        let range = first.span().byte_range().start..last.span().byte_range().end;
        let variants = self.take(Genre::FnValue, first.span().start());
        let is_opaque = matches!(&signature.output, ReturnType::Type(_, kind) if has_impl(kind));
        if !is_opaque {
            let head = variants.into_iter();
            let head = head
                .map(|(id, value)| (format!("if {} {{ return {value}; }} ", on(id)), Some(id)))
                .collect::<Vec<_>>();
            self.edits.push(Edit { range: range.start..range.start, head, tail: "", removes: false });
            return;
        }
        // All ends of such a function have one type: one that is either of two.
        let is_iterator = matches!(&signature.output, ReturnType::Type(_, kind) if matches!(**kind, syn::Type::ImplTrait(_)));
        let body = &self.text[range.clone()];
        for (index, (id, value)) in variants.into_iter().enumerate() {
            if !value.starts_with("::std::iter::") {
                self.switched.unviable.push(id);
            } else if index > 0 || !is_iterator || body.contains("return ") || body.contains('?') {
                self.switched.alone.push(id);
            } else {
                let head = vec![
                    (format!("if {} ", on(id)), None),
                    (format!("{{ crate::mutant_switch::Either::A({value}) }}"), Some(id)),
                    (" else { crate::mutant_switch::Either::B({ ".to_owned(), None),
                ];
                self.edits.push(Edit { range: range.clone(), head, tail: " }) }", removes: false });
            }
        }
    }
}

fn has_impl(kind: &syn::Type) -> bool {
    struct Seeker(bool);
    impl<'ast> Visit<'ast> for Seeker {
        fn visit_type_impl_trait(&mut self, _: &'ast syn::TypeImplTrait) {
            self.0 = true;
        }
    }
    let mut seeker = Seeker(false);
    seeker.visit_type(kind);
    seeker.0
}

impl<'ast> Visit<'ast> for Planner<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let stays = self.stays_constant(&item.sig);
        self.constantly(stays, |planner| {
            planner.function(&item.sig, &item.block);
            visit::visit_item_fn(planner, item);
        });
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        let stays = self.stays_constant(&item.sig);
        self.constantly(stays, |planner| {
            planner.function(&item.sig, &item.block);
            visit::visit_impl_item_fn(planner, item);
        });
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.constantly(true, |planner| visit::visit_item_const(planner, item));
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        // A public one is used by its name, and not found in the table.
        let is_row = matches!(&*item.ty, syn::Type::Path(path) if path.path.is_ident(ROW))
            && !matches!(item.vis, syn::Visibility::Public(_));
        self.row = is_row.then(|| (item.ident.to_string(), item.expr.span().byte_range()));
        self.constantly(true, |planner| visit::visit_item_static(planner, item));
        self.row = None;
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.constantly(true, |planner| visit::visit_impl_item_const(planner, item));
    }

    fn visit_trait_item_const(&mut self, item: &'ast syn::TraitItemConst) {
        self.constantly(true, |planner| visit::visit_trait_item_const(planner, item));
    }

    fn visit_expr_const(&mut self, item: &'ast syn::ExprConst) {
        self.constantly(true, |planner| visit::visit_expr_const(planner, item));
    }

    fn visit_pat(&mut self, item: &'ast syn::Pat) {
        self.constantly(true, |planner| visit::visit_pat(planner, item));
    }

    fn visit_type(&mut self, item: &'ast syn::Type) {
        self.constantly(true, |planner| visit::visit_type(planner, item));
    }

    fn visit_variant(&mut self, item: &'ast syn::Variant) {
        self.constantly(true, |planner| visit::visit_variant(planner, item));
    }

    fn visit_expr_binary(&mut self, item: &'ast syn::ExprBinary) {
        let variants = self.take(Genre::BinaryOperator, item.op.span().start());
        let range = item.span().byte_range();
        let operator = item.op.span().byte_range();
        if has_let(&item.left) || has_let(&item.right) {
            self.switched.unviable.extend(variants.iter().map(|(id, _)| *id));
        } else {
            let (before, after) =
                (&self.text[range.start..operator.start], &self.text[operator.end..range.end]);
            let variants =
                variants.into_iter().map(|(id, other)| (id, format!("{before}{other}{after}"))).collect();
            self.choose(range, variants);
        }
        visit::visit_expr_binary(self, item);
    }

    fn visit_expr_unary(&mut self, item: &'ast syn::ExprUnary) {
        if matches!(item.op, UnOp::Not(_) | UnOp::Neg(_)) {
            let variants = self.take(Genre::UnaryOperator, item.op.span().start());
            let text = self.text[item.expr.span().byte_range()].to_owned();
            let variants = variants.into_iter().map(|(id, _)| (id, text.clone())).collect();
            self.choose(item.span().byte_range(), variants);
        }
        visit::visit_expr_unary(self, item);
    }

    fn visit_expr_match(&mut self, item: &'ast syn::ExprMatch) {
        // Without an unconditional `_`, or a name in its place, every arm is the last for some values.
        let is_wild = |arm: &syn::Arm| arm.guard.is_none() && matches!(arm.pat, syn::Pat::Wild(_));
        let is_variable = |name: &syn::Ident| name.to_string().starts_with(|c: char| c.is_lowercase());
        let is_named = |arm: &syn::Arm| matches!(&arm.pat, syn::Pat::Ident(name) if name.subpat.is_none() && is_variable(&name.ident));
        let has_wild = item.arms.iter().any(is_wild);
        let has_named = item.arms.last().is_some_and(|arm| arm.guard.is_none() && is_named(arm));
        for arm in &item.arms {
            if let Some((_, guard)) = &arm.guard {
                let variants = self.take(Genre::MatchArmGuard, guard.span().start());
                let text = |value: &str| {
                    let found = variants.iter().find(|(_, other)| other == value);
                    found.map_or("false".to_owned(), |(id, _)| on(*id))
                };
                if !variants.is_empty() {
                    let head = vec![(format!("({} || (!{} && (", text("true"), text("false")), None)];
                    let range = guard.span().byte_range();
                    self.edits.push(Edit { range, head, tail: ")))", removes: false });
                }
            } else {
                let end = arm.pat.span().byte_range().end;
                for (id, _) in self.take(Genre::MatchArm, arm.span().start()) {
                    if !has_wild && (!has_named || is_named(arm)) {
                        self.switched.unviable.push(id);
                        continue;
                    }
                    let head = vec![(format!(" if !{}", on(id)), Some(id))];
                    self.edits.push(Edit { range: end..end, head, tail: "", removes: false });
                }
            }
        }
        visit::visit_expr_match(self, item);
    }

    fn visit_expr_struct(&mut self, item: &'ast syn::ExprStruct) {
        let range = item.span().byte_range();
        let mut variants = Vec::new();
        for pair in item.fields.pairs() {
            let start = pair.value().span().byte_range().start;
            let end = pair
                .punct()
                .map_or_else(|| pair.value().span().byte_range().end, |comma| comma.span().byte_range().end);
            if let Some((name, value)) = self.row.clone() {
                let key = (Genre::StructField, point(pair.value().span().start()));
                for mutant in self.wanted.remove(&key).unwrap_or_default() {
                    let (before, after) = (&self.text[value.start..start], &self.text[end..value.end]);
                    self.rows.push((mutant.id, name.clone(), format!("{before}{after}")));
                }
            }
            for (id, _) in self.take(Genre::StructField, pair.value().span().start()) {
                let (before, after) = (&self.text[range.start..start], &self.text[end..range.end]);
                variants.push((id, format!("{before}{after}")));
            }
        }
        self.choose(range, variants);
        visit::visit_expr_struct(self, item);
    }
}
