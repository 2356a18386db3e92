//! What to do about a restore that failed, as commands that can be pasted.

use std::path::Path;
use std::sync::Arc;

use crate::cli::destination::{Source, quoted};
use crate::cli::ui::Ui;
use crate::error::{Error, Kind};
use crate::ids::GenerationId;
use crate::restore::{self, Point, survivor};
use crate::storage::Store;

/// Explains errors to who gave this source and these options.
pub(super) struct Trouble<'a> {
    pub(super) source: &'a Source,
    pub(super) ui: &'a Ui,
    /// Options of this call that say where to restore to.
    pub(super) options: String,
}

impl Trouble<'_> {
    /// The error of the command line for an error of the library; for damage, with what can still be restored.
    pub(super) async fn explain(&self, store: &Arc<dyn Store>, error: restore::Error) -> Error {
        match &error {
            restore::Error::Merged { generation, before, .. } => {
                let command = self.command(*generation, *before);
                Error::new(Kind::NotCovered, error.code(), error.to_string())
                    .hint(format!("the point before it:  {command}"))
            }
            restore::Error::Beyond { generation, last, .. } => {
                let command = self.command(*generation, *last);
                Error::new(Kind::NotCovered, error.code(), error.to_string())
                    .hint(format!("its last point:  {command}"))
            }
            _ if error.is_damage() => self.damage(store, error).await,
            _ => self.source.explain(error, self.ui),
        }
    }

    async fn damage(&self, store: &Arc<dyn Store>, error: restore::Error) -> Error {
        let survivor = survivor(store, &error).await;
        let about = error.about();
        let public = match error {
            restore::Error::Replica(error) => Error::from(error),
            error => Error::from(error),
        };
        let argument = self.source.argument();
        let public = match (survivor, about) {
            (Ok(Some(state)), _) => {
                let command = self.command(state.generation, state.point);
                public.hint(format!("the last good state before it, of {}:  {command}", self.ui.time(state.at)))
            }
            (Ok(None), Some(_)) => {
                public.hint(format!("nothing before it can be restored; see what can:  waloy generations {argument}"))
            }
            (Ok(None), None) => public.hint(format!("see what can be restored:  waloy generations {argument}")),
            (Err(_), _) => public,
        };
        public.hint(format!("see everything that is wrong:  waloy verify {argument} --read-data"))
    }

    fn command(&self, generation: GenerationId, point: Point) -> String {
        format!("waloy restore {} --generation {generation}:{point}{}", self.source.argument(), self.options)
    }
}

/// `app.restored.db` for `app.db`, as a word of a command.
pub(super) fn beside(path: &Path) -> String {
    let extension = path.extension().map_or("restored".into(), |ext| format!("restored.{}", ext.to_string_lossy()));
    quoted(&path.with_extension(extension).to_string_lossy())
}
