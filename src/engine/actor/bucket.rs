//! What there is, asked where the bucket, or what was put into it, was gone.

use super::Actor;
use crate::engine::error::Error;
use crate::engine::settle;
use crate::replica;
use crate::state::{Acknowledged, Claimed, Intent};

impl Actor {
    /// A bucket that is back may be a new one, or hold an older state of this one: segments put there would hang in the air.
    /// It gets a generation of its own.
    pub(super) async fn require_same_bucket(&mut self) -> Result<(), Error> {
        let replica = self.context.replica.clone();
        match replica::read_ids(&replica).await? {
            Some(ids) if ids == self.context.ids => return self.require_what_was_put().await,
            Some(_) => return Err(Error::Overtaken { object: format!("{}/{}", replica.location(), replica::REPLICA) }),
            None if replica::has_snapshot(&*replica).await? => {
                // Nobody but us has them any more, if it is ours.
                let known = Acknowledged::load(&self.context.state)?;
                let known = known.filter(|known| known.replica == self.context.ids.replica);
                return match known {
                    Some(known) if settle::is_there(&self.context, &known).await? => {
                        replica.put_keys_back().await?;
                        self.context.claim_ids().await
                    }
                    _ => Err(replica::Error::missing(&*replica, replica::REPLICA).into()),
                };
            }
            None => {}
        }
        tracing::warn!("the bucket is back and has nothing: beginning anew");
        self.close().await;
        Acknowledged::forget(&self.context.state)?;
        self.context.forget_keys()?;
        Claimed::save(&self.context.state, self.context.ids.replica)?;
        replica.put_keys_back().await?;
        self.context.claim_ids().await?;
        self.context.note_keys()
    }

    async fn require_what_was_put(&mut self) -> Result<(), Error> {
        let known = self.session.as_ref().and_then(|session| session.replica.clone());
        if let Some(known) = known
            && !settle::is_there(&self.context, &known).await?
        {
            self.close().await;
            // What is under way joins what is gone.
            Intent::clear(&self.context.state)?;
        }
        Ok(())
    }
}
