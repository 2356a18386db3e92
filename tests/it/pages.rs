//! A replica in memory: what a sink was given, put together.

use std::collections::BTreeMap;

use waloy::db::{Live, Room, Sink};
use waloy::units::PageNo;

/// The newest image of every page.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) pages: BTreeMap<u32, Vec<u8>>,
    /// The size of the database.
    pub(crate) count: u32,
}

impl Sink for Model {
    fn page(&mut self, page: PageNo, image: &[u8]) {
        self.pages.insert(page.get(), image.to_vec());
    }

    fn commit(&mut self, pages_after: u32) {
        self.pages.retain(|&page, _| page <= pages_after);
        self.count = pages_after;
    }
}

impl Model {
    /// Begins with every page as of the last commit captured.
    pub(crate) fn of(live: &mut Live) -> Model {
        let mut model = Model { pages: BTreeMap::new(), count: live.pages() };
        let all: Vec<PageNo> = (1..=live.pages()).filter_map(PageNo::new).collect();
        model.read(live, &all);
        model
    }

    /// Takes these pages as of the last commit captured.
    pub(crate) fn read(&mut self, live: &mut Live, pages: &[PageNo]) {
        let mut images = Room::default();
        live.read_pages(pages, &mut images).unwrap();
        for (page, image) in pages.iter().zip(images.chunks_exact(live.page_size().len())) {
            self.pages.insert(page.get(), image.to_vec());
        }
    }

    /// The images captured are those that a consistent read gives.
    pub(crate) fn assert_is(&self, live: &mut Live) {
        let now = Model::of(live);
        assert_eq!(self.count, now.count, "pages");
        let differs = now.pages.iter().find(|(page, image)| self.pages.get(page) != Some(image));
        assert!(differs.is_none(), "page {} differs", differs.unwrap().0);
        assert_eq!(self.pages.len(), now.pages.len());
    }
}
